"""The table of results for a terminal of 80 columns, and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from phaselearn.quoting import markdown_text
from phaselearn.report.markdown_table import markdown_table
from phaselearn.report.plain_table import PlainTable
from phaselearn.report.results import FLOOR_METHOD, UNSEEN, ResultRow

COLUMNS = ("method", "n", "solved", "strict", "CC", "gain", "Δφ", "s")
LEGEND = "CC, gain, Δφ: medians. Solved: CC ≥ 0.90; strict: and the atoms found. s: processor seconds per crystal."


def percent(share: float) -> str:
    """Return a share 0 … 1 in per cent, or a dash if it is not finite."""
    return f"{100 * share:.0f} %" if math.isfinite(share) else "–"


def number(value: float, digits: int = 3, unit: str = "") -> str:
    """Return a number with its unit and a true minus sign, or a dash if it is not finite."""
    if not math.isfinite(value):
        return "–"
    # With z, what rounds to zero is written without a sign.
    return f"{value:z.{digits}f}{unit}".replace("-", "−")


def cells(row: ResultRow) -> list[str]:
    """Return a row's cells, in the order of `COLUMNS`."""
    return [
        row.method_label,
        str(row.n),
        percent(row.solved),
        percent(row.strict),
        number(row.median_cc),
        number(row.gain),
        number(row.phase_error, 0, "°"),
        number(row.seconds),
    ]


def counting_note(rows: Sequence[ResultRow]) -> str:
    """Return sentences on crystals that could not be judged and on predictions without phases; empty without either."""
    sentences = []
    left_out = max((row.left_out for row in rows), default=0)
    if left_out:
        crystals = "1 crystal is" if left_out == 1 else f"{left_out} crystals are"
        sentences.append(f"{crystals} left out: fewer than 20 unique reflections observed.")
    for row in rows:
        if row.failed and row.subset == "all":
            maps = "map is" if row.failed == 1 else "maps are"
            sentences.append(
                f"{row.failed} of {row.n} {maps} not a number or without phases, and counted as unsolved: "
                f"{row.method_label}."
            )
    return " ".join(sentences)


def _unseen_note(rows: Sequence[ResultRow]) -> str:
    """Return sentences on the structure types that training did not have; empty if all or none are among the tested."""
    total = max((row.n for row in rows), default=0)
    unseen = {row.method: row for row in rows if row.subset == UNSEEN and 0 < row.n < total}
    floor = unseen.get(FLOOR_METHOD)
    beside = "" if floor is None else f", phase zero {number(floor.median_cc)}"
    return " ".join(
        f"Structure types not seen in training: {row.method_label} solves {percent(row.solved)} of {row.n}, "
        f"CC {number(row.median_cc)}{beside}."
        for row in unseen.values()
        if not row.is_reference
    )


def by_subset(rows: Sequence[ResultRow]) -> dict[str, list[ResultRow]]:
    """Return the rows of each subset under its label, in the order of their first appearance."""
    groups: dict[str, list[ResultRow]] = {}
    for row in rows:
        groups.setdefault(row.subset_label, []).append(row)
    return groups


def results_table(rows: Sequence[ResultRow]) -> PlainTable:
    """Return the table for a terminal, at most 80 columns wide: a block for each subset, the network in bold.

    It shows all crystals and the hard ones, and says how the network fares on structure types that it has not seen; the
    page has the whole table, which would fill the screen.
    """
    note = " ".join(filter(None, (LEGEND, _unseen_note(rows), counting_note(rows))))
    table = PlainTable(caption=note, width=78)
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "method" else "right", no_wrap=column != "method")
    for subset, members in by_subset([row for row in rows if row.subset in ("all", "hard")]).items():
        table.add_row(subset, style="italic")
        for place, row in enumerate(members):
            method, *values = cells(row)
            style = "" if row.is_reference else "bold"
            table.add_row(f"  {method}", *values, style=style, end_section=place == len(members) - 1)
    return table


def results_markdown(rows: Sequence[ResultRow]) -> str:
    """Return the table as Markdown, with the legend below it."""
    body = [
        [markdown_text(cell) for cell in (subset, *cells(row))]
        for subset, members in by_subset(rows).items()
        for row in members
    ]
    table = markdown_table(("subset", *COLUMNS), body, texts=2)
    return "\n".join([table, "", *filter(None, (LEGEND, counting_note(rows))), ""])
