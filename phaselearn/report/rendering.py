"""Pages in one HTML file without network, rendered from the templates beside the code.

Anybody may have chosen the names. Whatever a template shows is escaped, and its control characters are spelled out;
only `Markup` is taken as HTML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from phaselearn.files import write_whole
from phaselearn.quoting import link_target, printable

# Okabe and Ito's colours, which colour-blind readers can tell apart on light and on dark backgrounds.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8d969f")
_INTERVAL = re.compile(r"(\S+) (\[[^][]+\])")
_READ_AS_MARKUP = ("name", "text", "label")  # by plotly, which understands some HTML


def write_page(path: Path, template: str, **content: Any) -> None:
    """Render a page and write it in one step.

    Args:
        path: the HTML file.
        template: its path inside the package, such as `report/runs.html`; it extends `report/page_shell.html`.
        content: values that the template names. Text is shown as it is; `Markup` is taken as HTML.

    Raises:
        jinja2.UndefinedError: the template names a value that is not given.
    """
    page = _environment().get_template(template).render(content)
    # File names may hold what UTF-8 cannot encode.
    write_whole(Path(path), page.encode(errors="backslashreplace"))


def link(text: str, path: str | Path) -> Markup:
    """Return a link to a relative path, for the cell of a table."""
    return Markup('<a href="{}">{}</a>').format(link_target(path), printable(text))


def drawable(figures: Sequence[go.Figure]) -> list[dict[str, Any]]:
    """Return plots in the form that the macro `figures` takes: each with its caption and its data for plotly.

    Plots without data are left out.
    """
    return [_drawable(figure) for figure in figures if figure.data]


def _drawable(figure: go.Figure) -> dict[str, Any]:
    figure = go.Figure(figure)
    caption = figure.layout.title.text or ""
    margin = {"l": 60, "r": 10, "t": 30, "b": 45} | figure.layout.margin.to_plotly_json()
    figure.update_layout(title=None, template="none", colorway=COLOURS, margin=margin)
    return {"caption": caption, "data": _as_text(json.loads(figure.to_json()))}


def _as_text(part: Any) -> Any:
    """Return a part of a figure with its names and labels escaped, so that plotly finds no markup in them."""
    if isinstance(part, list):
        return [_as_text(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {key: _escaped(value) if key in _READ_AS_MARKUP else _as_text(value) for key, value in part.items()}


def _escaped(value: Any) -> Any:
    if isinstance(value, list):
        return [_escaped(each) for each in value]
    # Plotly does not decode the entities of quotes.
    return str(escape(value)).replace("&#34;", '"').replace("&#39;", "'") if isinstance(value, str) else _as_text(value)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("phaselearn", "."),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "ensure_ascii": False}
    environment.globals |= {"asset": _asset, "plotly": lambda: Markup(get_plotlyjs())}
    environment.filters |= {"printable_lines": _printable_lines, "interval_below": _interval_below}
    return environment


def _shown(value: object) -> object:
    return value if hasattr(value, "__html__") else printable(value)


def _printable_lines(text: str) -> Markup:
    """Return a text of several lines, each made printable."""
    return Markup("\n").join(map(printable, text.split("\n")))


def _interval_below(cell: object) -> object:
    """Return the cell of a table with an interval in brackets, `0.5 [0.4, 0.6]`, in two lines: columns stay narrow."""
    match = _INTERVAL.fullmatch(cell) if isinstance(cell, str) and not hasattr(cell, "__html__") else None
    return cell if match is None else Markup("{} <small>{}</small>").format(*match.groups())


def _asset(name: str) -> Markup:
    """Return a style sheet or script of this package."""
    return Markup(files("phaselearn.report").joinpath(name).read_text(encoding="utf-8"))
