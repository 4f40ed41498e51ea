"""The plots of a benchmark: shares solved against seconds, resolution and size, and the reliability of confidences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import plotly.graph_objects as go

from phaselearn.benchmark.confidence import Calibration
from phaselearn.benchmark.curves import Curve
from phaselearn.benchmark.table import Row
from phaselearn.report.rendering import COLOURS

_SERIES = {"ideal data": r"d(\d+\.\d+)", "laboratory data": r"lab(\d+\.\d+)"}  # names of regimes, with a resolution
_KINDS = {"all": "all crystals", "inorganic": "inorganic", "molecular": "molecular"}
_SIZES = {"atoms_1_8": "1–8", "atoms_9_20": "9–20", "atoms_21_40": "21–40", "atoms_41_up": "> 40"}


def colours_of(rows: Sequence[Row]) -> dict[str, str]:
    """Return {method: its colour}, the same in all plots; after seven methods colours come again."""
    return dict(zip(_methods(rows), cycle(COLOURS), strict=False))


def against_seconds(curves: Sequence[Curve], colours: Mapping[str, str]) -> list[go.Figure]:
    """Return a plot for each regime and subset: the share solved after each number of starts."""
    figures = []
    for regime, subset in dict.fromkeys((curve.regime, curve.subset) for curve in curves):
        figure = _figure(f"{regime}, {subset}", "seconds per crystal")
        figure.update_xaxes(type="log")
        for curve in curves:
            if (curve.regime, curve.subset) == (regime, subset):
                ends = np.array(curve.solved_intervals).T
                line = _line(curve.method, colours, curve.seconds, np.array(curve.solved), *ends)
                figure.add_trace(line.update(text=[f"{count} starts" for count in curve.starts]))
        figures.append(figure)
    return figures


def against_resolution(rows: Sequence[Row], colours: Mapping[str, str]) -> list[go.Figure]:
    """Return a plot for each series of regimes and kind of crystal."""
    figures = []
    for series, pattern in _SERIES.items():
        matches = {str(row["regime"]): re.fullmatch(pattern, str(row["regime"])) for row in rows}
        resolution = {regime: float(match[1]) for regime, match in matches.items() if match}
        for kind, label in _KINDS.items() if len(resolution) > 1 else ():
            figure = _figure(f"{series}, {label}", "d_min / Å")
            chosen = [row for row in rows if row["regime"] in resolution and row["subset"] == kind]
            for method in _methods(chosen):
                line = [row for row in chosen if row["method"] == method]
                line.sort(key=lambda row: resolution[str(row["regime"])])
                places = [resolution[str(row["regime"])] for row in line]
                figure.add_trace(_line(method, colours, places, *_solved(line)))
            figures.append(figure)
    return figures


def against_size(rows: Sequence[Row], colours: Mapping[str, str]) -> list[go.Figure]:
    """Return a plot for each regime."""
    figures = []
    for regime in dict.fromkeys(str(row["regime"]) for row in rows):
        figure = _figure(regime, "atoms in the cell")
        for method in _methods(rows):
            chosen = [
                row for row in rows if row["method"] == method and row["regime"] == regime and row["subset"] in _SIZES
            ]
            places = [_SIZES[str(row["subset"])] for row in chosen]
            figure.add_trace(_line(method, colours, places, *_solved(chosen)))
        figures.append(figure)
    return figures


def against_time(rows: Sequence[Row], colours: Mapping[str, str]) -> go.Figure:
    """Return a plot with a point for each method in each regime."""
    figure = _figure("all regimes, all crystals", "seconds per crystal")
    figure.update_xaxes(type="log")
    for method in _methods(rows):
        chosen = [row for row in rows if row["method"] == method and row["subset"] == "all"]
        seconds = [float(row["seconds_per_crystal"]) for row in chosen]
        line = _line(method, colours, seconds, *_solved(chosen))
        figure.add_trace(line.update(mode="markers", text=[str(row["regime"]) for row in chosen]))
    return figure


def reliability(calibrations: Sequence[Calibration]) -> go.Figure:
    """Return the plot of the shares solved against the stated probabilities; empty without a calibration."""
    figure = _figure("Reliability of the confidence", "stated probability / %", "share solved / %")
    figure.update_layout(showlegend=True)
    for calibration in calibrations:
        figure.add_trace(
            go.Scatter(
                x=[100 * value for value in calibration.stated],
                y=[100 * value for value in calibration.found],
                mode="lines+markers",
                name=f"{calibration.method} {calibration.regime}",
            )
        )
    if calibrations:
        ends = [0, 100]
        figure.add_trace(
            go.Scatter(x=ends, y=ends, mode="lines", line={"dash": "dot", "color": "#999"}, name="perfect")
        )
    return figure


def _methods(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(str(row["method"]) for row in rows))


def _figure(title: str, x: str, y: str = "solved / %") -> go.Figure:
    # One legend above all plots names the methods.
    figure = go.Figure(layout={"title": title, "showlegend": False})
    figure.update_xaxes(title=x)
    figure.update_yaxes(title=y, range=[0, 102])
    return figure


def _solved(rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (r,) the shares solved, and the lower and upper ends of their intervals."""
    value, low, high = (
        np.array([float(row[name]) for row in rows]) for name in ("solved", "solved_low", "solved_high")
    )
    return value, low, high


def _line(
    method: str, colours: Mapping[str, str], x: Sequence[object], solved: np.ndarray, low: np.ndarray, high: np.ndarray
) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=100 * solved,
        name=method,
        mode="lines+markers",
        marker={"color": colours[method]},
        line={"color": colours[method]},
        error_y={
            "symmetric": False,
            "array": 100 * (high - solved),
            "arrayminus": 100 * (solved - low),
            "thickness": 1,
        },
    )
