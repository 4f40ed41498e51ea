"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """Return a table as Markdown.

    Args:
        headings: headings of the columns.
        rows: rows of cells, one cell for each column. Cells may hold markup; a name that anybody may have chosen must
            be escaped first (`phaselearn.quoting.markdown_text`).
        texts: number of columns, from the left, that hold text. The others hold numbers and are aligned to the right.
    """
    rule = ["---"] * texts + ["---:"] * (len(headings) - texts)
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, rule, *rows))
