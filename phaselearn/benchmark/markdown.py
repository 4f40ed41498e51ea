"""The results of a benchmark as Markdown: the header, and the tables that fit a results file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from phaselearn.benchmark import comparison, confidence
from phaselearn.benchmark import curves as curves_module
from phaselearn.benchmark.comparison import Comparison
from phaselearn.benchmark.confidence import Calibration
from phaselearn.benchmark.curves import Curve
from phaselearn.benchmark.table import Row, benchmark_table
from phaselearn.quoting import markdown_text
from phaselearn.report.markdown_table import markdown_table

_SUBSETS = ("all", "hard", "unseen_prototype", "inorganic", "molecular")


def markdown(
    facts: Mapping[str, str],
    rows: Sequence[Row],
    curves: Sequence[Curve],
    comparisons: Sequence[Comparison],
    calibrations: Sequence[Calibration],
) -> str:
    """Return the text of benchmark.md.

    Args:
        facts: lines of the header by name.
        rows: rows of the table; a subset without rows is left out.
        curves: curves of the methods, in regimes where one has several starts.
        comparisons: comparisons with outside programs.
        calibrations: calibrations of confidences.
    """
    parts = ["\n".join(f"- {name}: {markdown_text(text)}" for name, text in facts.items())]
    for subset in _SUBSETS:
        if any(row["subset"] == subset for row in rows):
            parts.append(f"### {subset}\n\n{benchmark_table(rows, subset)}")
    if curves:
        cells = [curves_module.table_cells(each) for each in curves]
        parts.append(f"### Share solved against seconds\n\n{_table(curves_module.HEADINGS, cells)}")
    if comparisons:
        cells = [comparison.table_cells(each) for each in comparisons]
        parts.append(f"### Beside outside programs, on their crystals\n\n{_table(comparison.HEADINGS, cells)}")
    if calibrations:
        cells = [confidence.table_cells(each) for each in calibrations]
        parts.append(f"### Confidence\n\n{_table(confidence.HEADINGS, cells)}")
    return "\n\n".join(parts) + "\n"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    escaped = ([markdown_text(cell) for cell in row] for row in rows)
    return markdown_table(headings, escaped, texts=len(headings))
