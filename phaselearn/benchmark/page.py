"""The page of a benchmark: shares solved, plots, and every table in one HTML file without network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from phaselearn.benchmark.plots import (
    against_resolution,
    against_seconds,
    against_size,
    against_time,
    colours_of,
    reliability,
)
from phaselearn.benchmark.results import NamedTable, Results, further_tables
from phaselearn.benchmark.table import HEADINGS, LABELS, SUBSETS, Row, failed_note, table_cells, with_interval
from phaselearn.report import rendering

PAGE_FILE = "benchmark.html"

_FIRST = ("all", "hard", "inorganic", "molecular")  # subsets whose shares solved begin the page


def write_page(path: Path, title: str, facts: Mapping[str, str], results: Results) -> None:
    """Write the page in one step.

    Args:
        path: the HTML file.
        title: heading of the page.
        facts: lines about the benchmark by name: crystals, leakage, homometry, commit, command.
        results: results of the benchmark.
    """
    rows = results.rows
    colours = colours_of(rows)
    plots = {
        "Solved against seconds": [*against_seconds(results.curves, colours), against_time(rows, colours)],
        "Solved against resolution": against_resolution(rows, colours),
        "Solved against the size of the cell": against_size(rows, colours),
    }
    rendering.write_page(
        path,
        "benchmark/page.html",
        title=title,
        shares=[_shares(rows, subset) for subset in _FIRST if any(row["subset"] == subset for row in rows)],
        failed=failed_note([row for row in rows if row["subset"] == "all"]),
        colours=colours,
        plots={heading: rendering.drawable(figures) for heading, figures in plots.items()},
        reliability=rendering.drawable([reliability(results.calibrations)]),
        tables=further_tables(results),
        headings=HEADINGS,
        subsets={
            LABELS[subset]: [table_cells(row) for row in rows if row["subset"] == subset]
            for subset in SUBSETS
            if any(row["subset"] == subset for row in rows)
        },
        facts=facts,
    )


def _shares(rows: Sequence[Row], subset: str) -> NamedTable:
    """Return the shares solved of a subset: a row for each method, a column for each regime."""
    chosen = {(str(row["method"]), str(row["regime"])): row for row in rows if row["subset"] == subset}
    methods, regimes = (list(dict.fromkeys(names)) for names in zip(*chosen, strict=True))
    body = [
        [
            method,
            *(
                with_interval(chosen[method, regime], "solved") if (method, regime) in chosen else "–"
                for regime in regimes
            ),
        ]
        for method in methods
    ]
    numbers = sorted({int(float(row["n"])) for row in chosen.values()})
    counted = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    return NamedTable(f"{LABELS[subset].capitalize()}, n = {counted}", ["solved / %", *regimes], body)
