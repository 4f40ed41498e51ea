"""Truth and prediction of a crystal as a plotly figure: two surfaces side by side, which can be rotated."""

from __future__ import annotations

from typing import Any

import gemmi
import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from phaselearn.report.content import ShownCrystal
from phaselearn.report.figures import PREDICTION, TRUTH
from phaselearn.report.surfaces import THRESHOLD, atoms_in_cell, cell_edges, drawing_shape, interpolate, isosurface

DIGITS = 3  # decimals of coordinates in Å; surfaces have tens of thousands of coordinates
LIGHTING = {"ambient": 0.6, "diffuse": 0.6, "specular": 0.05, "roughness": 0.8, "fresnel": 0}


def comparison_figure(crystal: ShownCrystal) -> go.Figure:
    """Draw surfaces at 70 % of the maximum with the cell and the true atoms; the truth is on the left.

    Coordinates are Cartesian in Å in the right-handed frame of the lattice, on one scale along all axes. They are
    plain lists: not every viewer reads plotly's binary arrays.
    """
    verdict = f"CC {crystal.correlation:.3f} (floor {crystal.correlation_floor:.3f})"
    figure = make_subplots(
        cols=2,
        specs=[[{"type": "scene"}, {"type": "scene"}]],
        subplot_titles=("True density", f"Predicted density, {verdict}"),
        horizontal_spacing=0.02,
    )
    for column, (density, colour, name) in enumerate(
        ((crystal.truth, TRUTH, "truth"), (crystal.prediction, PREDICTION, "prediction")), start=1
    ):
        first = column == 1
        for trace in (_surface(density, crystal, colour, name), _cell(crystal, first), *_atoms(crystal, first)):
            figure.add_trace(trace, row=1, col=column)
    axis = {"showbackground": False, "showspikes": False}
    figure.update_scenes(
        aspectmode="data",
        camera={"projection": {"type": "orthographic"}, "eye": {"x": 0.6, "y": -1.5, "z": 0.6}},
        **{f"{letter}axis": {**axis, "title": {"text": f"{letter} / Å"}} for letter in "xyz"},
    )
    figure.update_layout(
        title=f"{crystal.formula} · {crystal.id} · space group {crystal.space_group}: {crystal.verdict}",
        template="none",
        margin={"l": 0, "r": 0, "b": 0, "t": 80},
    )
    return figure


def _surface(density: np.ndarray, crystal: ShownCrystal, colour: str, name: str) -> go.Mesh3d:
    fine = interpolate(np.nan_to_num(density), drawing_shape(density.shape, crystal.lattice))
    surface = isosurface(fine, crystal.lattice)
    return go.Mesh3d(
        **_coordinates(surface.vertices),
        **{letter: column.tolist() for letter, column in zip("ijk", surface.faces.T, strict=True)},
        name=f"{name}, {THRESHOLD:.0%} of its maximum",
        showlegend=True,
        color=colour,
        opacity=0.7,
        lighting=LIGHTING,
        hoverinfo="skip",
    )


def _cell(crystal: ShownCrystal, in_legend: bool) -> go.Scatter3d:
    # A row without numbers breaks the line between two edges.
    edges = np.concatenate([np.vstack([edge, np.full(3, np.nan)]) for edge in cell_edges(crystal.lattice)])
    return go.Scatter3d(
        **{
            axis: [None if np.isnan(value) else value for value in values]
            for axis, values in _coordinates(edges).items()
        },
        name="cell",
        legendgroup="cell",
        showlegend=in_legend,
        mode="lines",
        line={"color": "#9AA3AC", "width": 2},
        hoverinfo="skip",
    )


def _atoms(crystal: ShownCrystal, in_legend: bool) -> list[go.Scatter3d]:
    numbers, positions = atoms_in_cell(crystal.numbers, crystal.positions)
    return [
        go.Scatter3d(
            **_coordinates(positions[numbers == number] @ crystal.lattice),
            name=gemmi.Element(int(number)).name,
            legendgroup=str(number),
            showlegend=in_legend,
            mode="markers",
            marker={"size": 4, "line": {"width": 1, "color": "white"}},
        )
        for number in np.unique(numbers)
    ]


def _coordinates(places: np.ndarray) -> dict[str, Any]:
    return {axis: column.round(DIGITS).tolist() for axis, column in zip("xyz", np.asarray(places).T, strict=True)}
