"""Table 1 and the symmetry score of each shown crystal for the page; the picker shows those of one crystal."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from phaselearn.report.comparison_tables import (
    REPORT_HEADINGS,
    SYMMETRY_HEADINGS,
    SYMMETRY_NOTE,
    VECTOR_HEADINGS,
    VECTOR_NOTE,
    report_cells,
    summary,
    symmetry_cells,
    vector_cells,
)
from phaselearn.report.content import ShownCrystal


def comparison_html(crystals: Sequence[ShownCrystal]) -> str:
    """Return a block a crystal, all but the first hidden, and what the tables mean."""
    blocks = "".join(
        f'<div data-crystal="{place}"{" hidden" if place else ""}>{_block(crystal)}</div>'
        for place, crystal in enumerate(crystals)
    )
    return (
        "<h3>Vectors between maxima (Table 1), and symmetry</h3>"
        f'{blocks}<p class="note">{VECTOR_NOTE}</p><p class="note">{SYMMETRY_NOTE}</p>'
        '<p class="note">Every vector and operation: <code>vectors.csv</code>, <code>symmetry.csv</code>; '
        "these tables as Markdown: <code>shown.md</code></p>"
    )


def _block(crystal: ShownCrystal) -> str:
    vectors, report, symmetry = vector_cells(crystal), report_cells(crystal), symmetry_cells(crystal)
    return (
        f"<p>{escape(summary(crystal))}</p>"
        + _table(VECTOR_HEADINGS, vectors, has_mean=True)
        + _table(REPORT_HEADINGS, report, has_mean=False)
        + _table(SYMMETRY_HEADINGS, symmetry, has_mean=True)
    )


def _table(headings: Sequence[str], cells: list[list[str]], has_mean: bool) -> str:
    if not cells:
        return ""
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    last = len(cells) - 1 if has_mean else len(cells)
    rows = "".join(
        f'<tr{" class=mean" if place == last else ""}><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in others)
        + "</tr>"
        for place, (first, *others) in enumerate(cells)
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
