"""Plots of one quantity over the epochs of several runs."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from phaselearn.report.run_records import RunRecord

_HEIGHT, _LINE = 300, 20  # pixels: of the plot, and of a line of its legend
_FEW = 8  # epochs; an axis with so few would have ticks between them


def draw_curves(runs: Sequence[RunRecord], name: str, title: str, scale: str) -> go.Figure:
    """Return the plot of a quantity; it has no data if no run logged it.

    Args:
        runs: runs, each drawn as a line.
        name: column of metrics.csv, such as `val/loss`.
        title: title of the plot.
        scale: `linear` or `log`.
    """
    figure = go.Figure(
        layout={
            "title": title,
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "maxheight": 1.0},
        }
    )
    figure.update_layout(height=_HEIGHT + _LINE * len(runs))
    figure.update_xaxes(title="epoch", tickformat="d")
    figure.update_yaxes(type=scale)
    last = 0
    for run in runs:
        series = run.curves[name]
        if len(series.epochs):
            last = max(last, int(series.epochs[-1]))
            figure.add_trace(go.Scatter(x=series.epochs.tolist(), y=series.values.tolist(), name=run.name))
    if last < _FEW:
        figure.update_xaxes(dtick=1)  # a tick at 1.5 would also read 2
    return figure
