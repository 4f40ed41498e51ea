"""The results of a benchmark, and the tables that its page and its Markdown file show beside the main one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phaselearn.benchmark import comparison, confidence, curves, paired, scrambling
from phaselearn.benchmark.comparison import Comparison
from phaselearn.benchmark.confidence import Calibration
from phaselearn.benchmark.curves import Curve
from phaselearn.benchmark.paired import Paired
from phaselearn.benchmark.scrambling import FalseClaims
from phaselearn.benchmark.table import Row


@dataclass(frozen=True)
class Results:
    """All that a benchmark has found.

    Attributes:
        rows: rows of the main table.
        curves: curves of the methods, in regimes where one has several starts.
        pairs: methods of several starts beside the first of them.
        comparisons: comparisons with outside programs.
        calibrations: calibrations of confidences.
        claims: claims of solutions of scrambled data.
    """

    rows: Sequence[Row]
    curves: Sequence[Curve]
    pairs: Sequence[Paired]
    comparisons: Sequence[Comparison]
    calibrations: Sequence[Calibration]
    claims: Sequence[FalseClaims]


@dataclass(frozen=True)
class NamedTable:
    """A table with its title; cells and headings are text."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def further_tables(results: Results) -> list[NamedTable]:
    """Return the tables beside the main one, those without rows left out."""
    tables = [
        NamedTable(
            "Share solved against seconds", curves.HEADINGS, [curves.table_cells(each) for each in results.curves]
        ),
        NamedTable(
            "Starts beside the first, crystal by crystal",
            paired.HEADINGS,
            [paired.table_cells(each) for each in results.pairs],
        ),
        NamedTable(
            "Beside outside programs, on their crystals",
            comparison.HEADINGS,
            [comparison.table_cells(each) for each in results.comparisons],
        ),
        NamedTable("Confidence", confidence.HEADINGS, [confidence.table_cells(each) for each in results.calibrations]),
        NamedTable(
            "Claims about scrambled data",
            scrambling.HEADINGS,
            [scrambling.table_cells(each) for each in results.claims],
        ),
    ]
    return [table for table in tables if table.rows]
