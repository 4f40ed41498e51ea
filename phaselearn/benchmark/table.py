"""The table of a benchmark: each method in each regime on each subset of the crystals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import gemmi
import numpy as np

from phaselearn.benchmark.intervals import bootstrap_interval, share_interval
from phaselearn.benchmark.records import CrystalRecord
from phaselearn.files import write_csv
from phaselearn.quoting import markdown_text
from phaselearn.report.markdown_table import markdown_table

BENCHMARK_FILE = "benchmark.csv"

SUBSETS: dict[str, Callable[[CrystalRecord], bool]] = {
    "all": lambda record: True,
    "hard": lambda record: record.hard,
    "unseen_prototype": lambda record: not record.prototype_seen,
    "centrosymmetric": lambda record: is_centrosymmetric(record.space_group),
    "noncentrosymmetric": lambda record: not is_centrosymmetric(record.space_group),
    "inorganic": lambda record: not is_molecular(record.formula),
    "molecular": lambda record: is_molecular(record.formula),
    "atoms_1_8": lambda record: record.atoms <= 8,
    "atoms_9_20": lambda record: 9 <= record.atoms <= 20,
    "atoms_21_40": lambda record: 21 <= record.atoms <= 40,
    "atoms_41_up": lambda record: record.atoms > 40,
}

LABELS = {
    "all": "all crystals",
    "hard": "hard crystals (CC₀ < 0.9)",
    "unseen_prototype": "structure types not seen in training",
    "centrosymmetric": "with a centre of symmetry",
    "noncentrosymmetric": "without a centre of symmetry",
    "inorganic": "inorganic crystals",
    "molecular": "molecular crystals",
    "atoms_1_8": "1 to 8 atoms in the cell",
    "atoms_9_20": "9 to 20 atoms in the cell",
    "atoms_21_40": "21 to 40 atoms in the cell",
    "atoms_41_up": "more than 40 atoms in the cell",
}

_FEWEST = 5  # crystals, of fewer an interval says nothing
_OF_SOME = ("unseen_prototype", "inorganic", "molecular")  # without a row if all crystals belong to it

# Column, field of the record, and statistic over the crystals.
_STATISTICS = (
    ("solved", "solved", "share"),
    ("strict", "strict", "share"),
    ("median_cc", "correlation", "median"),
    ("gain", "gain", "median"),
    ("phase_error", "phase_error", "median"),
    ("seconds_per_crystal", "seconds", "mean"),
)
# Factor and digits of what tables show.
_SHOWN = {
    "solved": (100, 1),
    "strict": (100, 1),
    "median_cc": (1, 3),
    "gain": (1, 2),
    "phase_error": (1, 1),
    "seconds_per_crystal": (1, 3),
}
_NAMES = tuple(name for name, _, _ in _STATISTICS)
COLUMNS = (
    *("method", "regime", "subset", "n", *_NAMES),
    *(f"{name}_{end}" for name in _NAMES for end in ("low", "high")),
    "left_out",
    "failed",
)

HEADINGS = ("regime", "method", "n", "solved %", "strict %", "median CC", "gain", "phase error °", "s per crystal")

Row = dict[str, str | float]


def is_centrosymmetric(space_group: int) -> bool:
    """Whether a space group, by number, holds an inversion; False where the number is unknown."""
    group = gemmi.find_spacegroup_by_number(space_group)
    return group is not None and group.is_centrosymmetric()


def is_molecular(formula: str) -> bool:
    """Whether a formula has both carbon and hydrogen, as nearly all molecular crystals have."""
    return {"C", "H"} <= set(re.findall("[A-Z][a-z]?", formula))


def summarise_records(records: Sequence[CrystalRecord], resamples: int) -> list[Row]:
    """Return the rows of the table, in the order of the records.

    Crystals with fewer than 20 unique observed reflections are left out, and their number is given. `failed` is the
    number of crystals for which the method gave no map; they are unsolved. A subset without crystals has no row, nor
    have `unseen_prototype`, `inorganic` and `molecular` if they hold all crystals.

    Args:
        records: records of all methods and regimes.
        resamples: number of bootstrap samples.
    """
    groups: dict[tuple[str, str], list[CrystalRecord]] = {}
    for record in records:
        groups.setdefault((record.regime, record.method), []).append(record)
    rows = []
    for (regime, method), members in groups.items():
        for subset, belongs in SUBSETS.items():
            chosen = [record for record in members if belongs(record)]
            if subset in _OF_SOME and len(chosen) == len(members):
                continue
            counted = [record for record in chosen if record.counted]
            if counted:
                start: Row = {"method": method, "regime": regime, "subset": subset, "n": len(counted)}
                counts: Row = {
                    "left_out": len(chosen) - len(counted),
                    "failed": sum(record.failed for record in counted),
                }
                rows.append(start | _statistics(counted, resamples) | counts)
    return rows


def _statistics(records: Sequence[CrystalRecord], resamples: int) -> Row:
    values: Row = {}
    for name, field, statistic in _STATISTICS:
        column = np.array([getattr(record, field) for record in records], dtype=float)
        if statistic == "share":
            values[name], ends = float(column.mean()), share_interval(int(column.sum()), len(column))
        else:
            values[name], ends = float(getattr(np, statistic)(column)), bootstrap_interval(column, statistic, resamples)
        values[f"{name}_low"], values[f"{name}_high"] = ends
    return values


def write_table(folder: Path, rows: Iterable[Row]) -> Path:
    """Write benchmark.csv."""
    path = folder / BENCHMARK_FILE
    write_csv(path, rows, COLUMNS)
    return path


def table_cells(row: Row) -> list[str]:
    """Return the cells of a row under `HEADINGS`."""
    return [str(row["regime"]), str(row["method"]), str(row["n"]), *(with_interval(row, name) for name in _NAMES)]


def benchmark_table(rows: Sequence[Row], subset: str = "all") -> str:
    """Return the rows of a subset in Markdown, with intervals in brackets and a note on predictions without phases."""
    chosen = [row for row in rows if row["subset"] == subset]
    cells = [[markdown_text(cell) for cell in table_cells(row)] for row in chosen]
    return "\n\n".join(filter(None, (markdown_table(HEADINGS, cells, texts=2), failed_note(chosen))))


def failed_note(rows: Sequence[Row]) -> str:
    """Return a sentence on the predictions that are not maps; empty if there are none."""
    failed = [f"{row['failed']} of {row['n']} by {row['method']} in {row['regime']}" for row in rows if row["failed"]]
    return f"Not a number or without phases, and counted as unsolved: {', '.join(failed)}." if failed else ""


def with_interval(row: Row, name: str) -> str:
    """Return a value of a row in the unit of its column, with its interval in brackets where n allows one."""
    factor, digits = _SHOWN[name]
    value, low, high = (f"{factor * float(row[f'{name}{end}']):.{digits}f}" for end in ("", "_low", "_high"))
    return f"{value} [{low}, {high}]" if float(row["n"]) >= _FEWEST else value
