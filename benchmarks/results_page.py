"""Write RESULTS.md from the tables in results/: one table a question, the verdict first.

    python benchmarks/results_page.py

`results/questions.yaml` names the questions, and `results/NAME.csv` holds the table of each. Columns `X low` and
`X high` are shown as the interval of column `X`. A question with `rows`, `columns` and `value` shows a cross table.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import yaml

from phaselearn.report.markdown_table import markdown_table

FOLDER = Path(__file__).parent / "results"
PAGE = Path(__file__).parent / "RESULTS.md"
HEADER = """\
# Results

Two busy cores without GPU, AMD EPYC or Intel Xeon. [Brackets]: 95 % intervals. FILE: 31,377 structures, whose
training split is in the package. [LOG.md](LOG.md) has everything; `python benchmarks/results_page.py` writes this.
"""

Row = dict[str, str]


def shown(row: Row, column: str) -> str:
    """Return a cell, with its interval if there is one."""
    value = row[column]
    if not value or f"{column} low" not in row or not (row[f"{column} low"] or row[f"{column} high"]):
        return value or "—"
    return f"{value} [{row[f'{column} low'] or '—'}, {row[f'{column} high'] or '—'}]"


def columns_of(rows: list[Row]) -> list[str]:
    """Return the columns of a table but the ends of intervals."""
    return [name for name in rows[0] if not name.endswith((" low", " high"))]


def crossed(rows: list[Row], down: str, across: str, value: str) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of a cross table; a cell without a row holds a dash."""
    cells = {(row[down], row[across]): shown(row, value) for row in rows}
    names = list(dict.fromkeys(row[across] for row in rows))
    lines = [
        [name, *(cells.get((name, other), "—") for other in names)] for name in dict.fromkeys(r[down] for r in rows)
    ]
    return [down, *names], lines


def _is_number(cell: str) -> bool:
    return cell == "—" or cell.partition(" ")[0].replace(".", "", 1).lstrip("-").isdigit()


def section(name: str, question: dict[str, Any]) -> str:
    """Return the section of a question."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if "rows" in question:
        headings, lines = crossed(rows, question["rows"], question["columns"], question["value"])
    else:
        headings = columns_of(rows)
        lines = [[shown(row, column) for column in headings] for row in rows]
    texts = next((place for place in range(len(headings)) if all(_is_number(line[place]) for line in lines)), 1)
    took = "" if question["seconds"] is None else f", {question['seconds']:,} s"
    return (
        f"## {question['question']}\n\n**{question['verdict']}** {question['reading']}\n\n"
        f"{markdown_table(headings, lines, texts)}\n\n`{question['command']}` (commit {question['commit']}{took})\n"
    )


def page() -> str:
    """Return the page."""
    questions = yaml.safe_load((FOLDER / "questions.yaml").read_text(encoding="utf-8"))
    return "\n".join([HEADER, *(section(name, question) for name, question in questions.items())])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
