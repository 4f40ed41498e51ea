"""The page of a benchmark: its header, plots and table in one HTML file without network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from phaselearn.benchmark.confidence import Calibration
from phaselearn.benchmark.curves import Curve
from phaselearn.benchmark.results import Results, further_tables
from phaselearn.benchmark.table import SUBSETS, Row, failed_note
from phaselearn.report import rendering

PAGE_FILE = "benchmark.html"

_SERIES = {"ideal data": r"d(\d+\.\d+)", "laboratory data": r"lab(\d+\.\d+)"}  # names of regimes, with a resolution
_KINDS = ("all", "inorganic", "molecular")
_SIZES = {"atoms_1_8": "1–8", "atoms_9_20": "9–20", "atoms_21_40": "21–40", "atoms_41_up": "> 40"}
_HEADINGS = ("regime, method", "n", "solved %", "strict %", "median CC", "gain", "phase error °", "s per crystal")
_NOTE = (
    "Solved: map correlation CC ≥ 0.90 over all origins and both hands; strict: and 90 % of the atoms within 0.5 Å of "
    "one of the n highest peaks. Gain = (CC − CC₀)/(1 − CC₀) with CC₀ of the phase-zero map. Brackets: 95 % bootstrap "
    "intervals over crystals."
)


def write_page(path: Path, title: str, facts: Mapping[str, str], results: Results) -> None:
    """Write the page in one step.

    Args:
        path: the HTML file.
        title: heading of the page.
        facts: lines of the header by name: crystals, leakage, homometry, commit, command.
        results: results of the benchmark.
    """
    rows = results.rows
    plots = [
        *_against_seconds(results.curves),
        *_against_resolution(rows),
        *_against_atoms(rows),
        _against_time(rows),
    ]
    if results.calibrations:
        plots.append(_reliability(results.calibrations))
    rendering.write_page(
        path,
        "benchmark/page.html",
        title=title,
        facts=facts,
        plots=rendering.drawable(plots),
        tables=further_tables(results),
        headings=_HEADINGS,
        subsets={subset: [_cells(row) for row in rows if row["subset"] == subset] for subset in SUBSETS},
        note=f"{_NOTE} {failed_note([row for row in rows if row['subset'] == 'all'])}",
    )


def _value(row: Row, name: str) -> float:
    return float(row[name])


def _figure(title: str, x: str, y: str = "solved, %") -> go.Figure:
    figure = go.Figure(layout={"title": title, "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}})
    figure.update_xaxes(title=x)
    figure.update_yaxes(title=y, range=[0, 102])
    return figure


def _line(rows: Sequence[Row], method: str, x: Sequence[object], text: Sequence[str] | None = None) -> go.Scatter:
    solved = [100 * _value(row, "solved") for row in rows]
    return go.Scatter(
        x=x,
        y=solved,
        text=text,
        name=method,
        mode="lines+markers",
        error_y={
            "symmetric": False,
            "array": [100 * _value(row, "solved_high") - y for row, y in zip(rows, solved, strict=True)],
            "arrayminus": [y - 100 * _value(row, "solved_low") for row, y in zip(rows, solved, strict=True)],
            "thickness": 1,
        },
    )


def _methods(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(str(row["method"]) for row in rows))


def _against_seconds(curves: Sequence[Curve]) -> list[go.Figure]:
    """Return a figure for each regime and subset: the share solved after each number of starts, against seconds."""
    figures = []
    for regime, subset in dict.fromkeys((curve.regime, curve.subset) for curve in curves):
        figure = _figure(f"Solved against seconds: {regime}, {subset}", "seconds per crystal")
        figure.update_xaxes(type="log")
        for curve in curves:
            if (curve.regime, curve.subset) == (regime, subset):
                solved = np.array(curve.solved)
                low, high = np.array(curve.solved_intervals).T
                figure.add_trace(
                    go.Scatter(
                        x=curve.seconds,
                        y=100 * solved,
                        text=[f"{count} starts" for count in curve.starts],
                        name=curve.method,
                        mode="lines+markers",
                        error_y={
                            "symmetric": False,
                            "array": 100 * (high - solved),
                            "arrayminus": 100 * (solved - low),
                            "thickness": 1,
                        },
                    )
                )
        figures.append(figure)
    return figures


def _against_resolution(rows: Sequence[Row]) -> list[go.Figure]:
    """Return a figure for each series of regimes and kind of crystal."""
    figures = []
    for series, pattern in _SERIES.items():
        matches = {str(row["regime"]): re.fullmatch(pattern, str(row["regime"])) for row in rows}
        resolution = {regime: float(match[1]) for regime, match in matches.items() if match}
        for kind in _KINDS if len(resolution) > 1 else ():
            figure = _figure(f"Solved against resolution: {series}, {kind}", "d_min, Å")
            chosen = [row for row in rows if row["regime"] in resolution and row["subset"] == kind]
            for method in _methods(chosen):
                line = [row for row in chosen if row["method"] == method]
                line.sort(key=lambda row: resolution[str(row["regime"])])
                figure.add_trace(_line(line, method, [resolution[str(row["regime"])] for row in line]))
            if chosen:
                figures.append(figure)
    return figures


def _against_atoms(rows: Sequence[Row]) -> list[go.Figure]:
    figures = []
    for regime in dict.fromkeys(str(row["regime"]) for row in rows):
        figure = _figure(f"Solved against size: {regime}", "atoms in the cell")
        for method in _methods(rows):
            chosen = [
                row for row in rows if row["method"] == method and row["regime"] == regime and row["subset"] in _SIZES
            ]
            if chosen:
                figure.add_trace(_line(chosen, method, [_SIZES[str(row["subset"])] for row in chosen]))
        figures.append(figure)
    return figures


def _against_time(rows: Sequence[Row]) -> go.Figure:
    figure = _figure("Solved against time", "seconds per crystal")
    figure.update_xaxes(type="log")
    for method in _methods(rows):
        chosen = [row for row in rows if row["method"] == method and row["subset"] == "all"]
        line = _line(
            chosen,
            method,
            [_value(row, "seconds_per_crystal") for row in chosen],
            [str(row["regime"]) for row in chosen],
        )
        figure.add_trace(line.update(mode="markers"))
    return figure


def _reliability(calibrations: Sequence[Calibration]) -> go.Figure:
    figure = _figure("Reliability of the confidence", "stated probability, %", "share solved, %")
    figure.add_trace(
        go.Scatter(x=[0, 100], y=[0, 100], mode="lines", line={"dash": "dot", "color": "#999"}, name="perfect")
    )
    for calibration in calibrations:
        figure.add_trace(
            go.Scatter(
                x=[100 * value for value in calibration.stated],
                y=[100 * value for value in calibration.found],
                mode="lines+markers",
                name=f"{calibration.method} {calibration.regime}",
            )
        )
    return figure


def _cells(row: Row) -> list[str | Markup]:
    def cell(name: str, factor: float, digits: int) -> Markup:
        value, low, high = (
            f"{factor * _value(row, column):.{digits}f}" for column in (name, f"{name}_low", f"{name}_high")
        )
        return Markup("{} <small>[{}, {}]</small>").format(value, low, high)

    return [
        f"{row['regime']}, {row['method']}",
        str(row["n"]),
        cell("solved", 100, 1),
        cell("strict", 100, 1),
        cell("median_cc", 1, 3),
        cell("gain", 1, 2),
        cell("phase_error", 1, 1),
        cell("seconds_per_crystal", 1, 3),
    ]
