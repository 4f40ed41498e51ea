"""Plots of a study: figures against the varied setting, one panel per figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from phaselearn.report.figures import FLOOR, STYLE

# Okabe and Ito's colours; where a second key is varied, it has line and marker.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LINES = (("-", "o"), ("--", "s"), (":", "^"), ("-.", "D"))


@dataclass(frozen=True)
class Panel:
    """A figure of the runs, the label of its axis, and the level of the phase-zero floor; `NAME low` and `NAME high`
    among the figures are the ends of its interval."""

    figure: str
    label: str
    level: float


def draw_points(
    runs: Sequence[tuple[Mapping[str, str], Mapping[str, float]]],
    x: str,
    label: str,
    panels: Sequence[Panel],
    path: Path,
) -> None:
    """Draw a panel for each figure against the key `x`, a line for each combination of the other keys.

    Args:
        runs: the varied settings {key: value} and the figures of each run; of the other keys the first that varies has
            colours, the second lines.
        x: the key along the axis: numbers on a logarithmic scale, or names.
        label: label of that axis.
        panels: figures that are drawn.
        path: path of the PNG.
    """
    others = [key for key in runs[0][0] if key != x and len({point[key] for point, _ in runs}) > 1]
    styles = _styles([tuple(point[key] for key in others) for point, _ in runs])
    places = list(dict.fromkeys(point[x] for point, _ in runs))
    numeric = all(_is_number(place) for place in places)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2 * len(panels) + 0.4, 3.8), layout="constrained")
        FigureCanvasAgg(figure)
        for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            for series, style in styles.items():
                of_series = [run for run in runs if tuple(run[0][key] for key in others) == series]
                where = [float(point[x]) if numeric else places.index(point[x]) for point, _ in of_series]
                heights = np.array([values[panel.figure] for _, values in of_series])
                ends = np.array(
                    [[values[f"{panel.figure} {end}"] for _, values in of_series] for end in ("low", "high")]
                )
                name = ", ".join(_name(key, value) for key, value in zip(others, series, strict=True))
                style = style if numeric else style | {"linestyle": "none"}  # nothing lies between two names
                axes.errorbar(where, heights, abs(ends - heights), label=name, capsize=3, **style)
            axes.axhline(panel.level, color=FLOOR, linewidth=1, label="phase-zero floor")
            axes.set_ylabel(panel.label)
            axes.set_xlabel(label)
            _ticks(axes, places, numeric)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
        figure.savefig(path)


def _styles(series: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], dict]:
    """Return the line of each series: colours by its first value, lines and markers by the others."""
    first = list(dict.fromkeys(values[:1] for values in series))
    rest = list(dict.fromkeys(values[1:] for values in series))
    styles = {}
    for values in dict.fromkeys(series):
        line, marker = LINES[rest.index(values[1:]) % len(LINES)]
        colour = COLOURS[first.index(values[:1]) % len(COLOURS)]
        styles[values] = {"color": colour, "linestyle": line, "marker": marker, "markersize": 5}
    return styles


def _ticks(axes: Axes, places: Sequence[str], numeric: bool) -> None:
    if numeric:
        axes.set_xscale("log")
        axes.set_xticks([float(place) for place in places], places, fontsize=8)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xticks(range(len(places)), places)
        axes.margins(x=0.15)


def _name(key: str, value: str) -> str:
    return f"{key.rpartition('.')[2]} {value}" if _is_number(value) or value.lower() in ("true", "false") else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
