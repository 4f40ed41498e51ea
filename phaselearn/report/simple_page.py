"""Pages of tables and plots in one HTML file without network, in the style of the report of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from phaselearn.files import write_whole
from phaselearn.quoting import link_target, printable

# Okabe and Ito's colours, which the colour-blind can tell apart on light and on dark ground.
_SHOWN = ("name", "text", "label")  # of a figure, in which plotly reads a kind of HTML
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8d969f")


def write_simple_page(path: Path, title: str, facts: Mapping[str, str], parts: Sequence[str]) -> None:
    """Write a page in one step.

    Args:
        path: the HTML file.
        title: its heading.
        facts: what there is to say first, in order.
        parts: HTML of `heading_html`, `table_html`, `figures_html` and `note_html`, in order.
    """
    definitions = "".join(f"<dt>{escape(name)}</dt><dd>{escape(printable(text))}</dd>" for name, text in facts.items())
    opening = f'<dl class="facts">{definitions}</dl>' if facts else ""
    write_shell(Path(path), title, "", [opening, *parts], "", asset("simple_page.js"))


def write_shell(path: Path, title: str, tiles: str, parts: Sequence[str], data: str, script: str) -> None:
    """Write what all pages are: a heading, parts, plotly and a script, in one file.

    Args:
        path: the HTML file, replaced in one step.
        title: its heading.
        tiles: HTML below it.
        parts: HTML of the page.
        data: HTML of the elements that the script reads.
        script: JavaScript.
    """
    page = Template(asset("page_shell.html")).substitute(
        title=escape(printable(title)),
        style=asset("page.css"),
        tiles=tiles,
        parts="\n".join(part for part in parts if part),
        data=data,
        plotly=get_plotlyjs(),
        script=script,
    )
    # Names of files may hold what UTF-8 cannot.
    write_whole(path, page.encode(errors="backslashreplace"))


def heading_html(text: str) -> str:
    """Return a heading of the second rank."""
    return f"<h2>{escape(text)}</h2>"


def note_html(text: str) -> str:
    """Return a paragraph in small type."""
    return f'<p class="note">{escape(text)}</p>'


def link_html(text: str, path: str | Path) -> str:
    """Return a link to a relative path, for the cell of a table."""
    return f'<a href="{escape(link_target(path))}">{escape(text)}</a>'


def table_html(headings: Sequence[str], rows: Sequence[Sequence[str]], sortable: bool = False) -> str:
    """Return a table; empty where there are no rows.

    Args:
        headings: of the columns.
        rows: cells as HTML: what a user gave must be escaped.
        sortable: whether a click on a heading sorts.
    """
    if not rows:
        return ""
    shown = [f"<button>{escape(heading)}</button>" if sortable else escape(heading) for heading in headings]
    head = "".join(f'<th scope="col">{heading}</th>' for heading in shown)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for first, *cells in rows
    )
    kind = ' class="sortable"' if sortable else ""
    return f'<div class="scroll"><table{kind}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def figures_html(figures: Sequence[go.Figure]) -> str:
    """Return plots beside each other; those without data are left out."""
    drawn = [figure for figure in figures if figure.data]
    if not drawn:
        return ""
    return f'<div class="pair">{"".join(_figure_html(figure) for figure in drawn)}</div>'


def _figure_html(figure: go.Figure) -> str:
    figure = go.Figure(figure)
    caption = figure.layout.title.text or ""
    margin = {"l": 60, "r": 10, "t": 30, "b": 45} | figure.layout.margin.to_plotly_json()
    figure.update_layout(title=None, template="none", colorway=COLOURS, margin=margin)
    # Inside a script element only a < can end it or open a comment.
    data = json.dumps(_as_text(json.loads(figure.to_json()))).replace("<", "\\u003c")
    return (
        f'<figure><figcaption>{escape(caption)}</figcaption><div class="plot"></div>'
        f'<script type="application/json">{data}</script></figure>'
    )


def _as_text(part: Any) -> Any:
    """Return a part of a figure in which plotly finds no markup: names and labels may be anybody's."""
    if isinstance(part, list):
        return [_as_text(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {key: _escaped(value) if key in _SHOWN else _as_text(value) for key, value in part.items()}


def _escaped(value: Any) -> Any:
    if isinstance(value, list):
        return [_escaped(each) for each in value]
    return escape(value, quote=False) if isinstance(value, str) else _as_text(value)


def asset(name: str) -> str:
    """Return a file of this package that pages are made of."""
    return files("phaselearn.report").joinpath(name).read_text(encoding="utf-8")
