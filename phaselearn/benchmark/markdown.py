"""The results of a benchmark as Markdown: the header, and the tables that fit a results file."""

from __future__ import annotations

from collections.abc import Mapping

from phaselearn.benchmark.results import NamedTable, Results, further_tables
from phaselearn.benchmark.table import LABELS, benchmark_table
from phaselearn.quoting import markdown_text
from phaselearn.report.markdown_table import markdown_table

_SUBSETS = ("all", "hard", "unseen_prototype", "inorganic", "molecular")


def markdown(facts: Mapping[str, str], results: Results) -> str:
    """Return the text of benchmark.md.

    Args:
        facts: lines of the header by name.
        results: results of the benchmark; a subset without rows is left out.
    """
    parts = ["\n".join(f"- {name}: {markdown_text(text)}" for name, text in facts.items())]
    for subset in _SUBSETS:
        if any(row["subset"] == subset for row in results.rows):
            parts.append(f"### {LABELS[subset]}\n\n{benchmark_table(results.rows, subset)}")
    parts += [f"### {table.title}\n\n{_table(table)}" for table in further_tables(results)]
    return "\n\n".join(parts) + "\n"


def _table(table: NamedTable) -> str:
    escaped = ([markdown_text(cell) for cell in row] for row in table.rows)
    return markdown_table(table.headings, escaped, texts=len(table.headings))
