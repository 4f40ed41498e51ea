"""A solved structure as a plotly figure that can be turned: atoms, bonds, the cell, and the map around them."""

from __future__ import annotations

from typing import Any

import gemmi
import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from phaselearn.report.interactive import LIGHTING
from phaselearn.report.surfaces import atoms_in_cell, cell_edges, drawing_shape, interpolate, isosurface

LEVELS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0)  # standard deviations of the map
_SHOWN = 2  # the place of the level that the page opens with
_BOND = 0.4  # Å by which two atoms may be farther apart than the sum of their covalent radii
_MOST_BONDED = 2000  # atoms; more are drawn without bonds
_SURFACE, _CELL_COLOUR, _BOND_COLOUR = "#56b4e9", "#9AA3AC", "#8d969f"
# The colours that chemists expect; other elements get one of the last.
_COLOURS = {
    **{"C": "#5b6670", "N": "#3050f8", "O": "#e0301e", "F": "#6bb32e", "Cl": "#1fa51f", "Br": "#a62929"},
    **{"I": "#940094", "S": "#d9a800", "P": "#e67e00", "Na": "#8a4fd0", "Si": "#c79a6b", "Fe": "#c8602b"},
}
_OTHERS = ("#009e73", "#cc79a7", "#6b5b95", "#8c6d31", "#0072b2")


def structure_figure(
    numbers: NDArray[np.int64],
    positions: NDArray[np.float64],
    labels: list[str],
    density: NDArray[np.float64],
    lattice: NDArray[np.float64],
) -> go.Figure:
    """Draw the contents of a cell, and the map at a level that a slider chooses.

    Args:
        numbers: atomic numbers (A,) of all atoms in the cell.
        positions: fractional coordinates (A, 3).
        labels: names (A,) of their sites.
        density: map (n₁, n₂, n₃) with mean 0.
        lattice: cell vectors (3, 3) in Å.
    """
    own = np.arange(len(numbers))
    shown, places = atoms_in_cell(own, positions)
    figure = go.Figure()
    surfaces = _surfaces(density, lattice)
    for surface in surfaces:
        figure.add_trace(surface)
    figure.add_trace(_lines(cell_edges(lattice), "cell", _CELL_COLOUR, 2))
    bonds = _bonds(numbers[shown], places @ lattice)
    if bonds:
        figure.add_trace(_lines(bonds, "bonds", _BOND_COLOUR, 5))
    for trace in _atoms(numbers[shown], places @ lattice, [labels[place] for place in shown]):
        figure.add_trace(trace)
    others = len(figure.data) - len(surfaces)
    figure.update_layout(
        title="The structure, and its map: drag to turn, scroll to zoom, click the legend to hide",
        height=660,
        margin={"l": 0, "r": 0, "b": 70, "t": 10},
        scene={
            "aspectmode": "data",
            "camera": {"projection": {"type": "orthographic"}, "eye": {"x": 0.7, "y": -1.5, "z": 0.7}},
            **{f"{letter}axis": {"visible": False} for letter in "xyz"},
        },
        sliders=[
            {
                "active": min(_SHOWN, len(surfaces) - 1),
                "currentvalue": {"prefix": "Map at "},
                "pad": {"t": 10, "b": 40},
                "steps": [
                    {
                        "label": f"{level:g} σ",
                        "method": "restyle",
                        "args": [{"visible": [place == which for place in range(len(surfaces))] + [True] * others}],
                    }
                    for which, level in enumerate(LEVELS[: len(surfaces)])
                ],
            }
        ]
        if surfaces
        else [],
    )
    return figure


def _surfaces(density: NDArray[np.float64], lattice: NDArray[np.float64]) -> list[go.Mesh3d]:
    """Return the surfaces of the levels that the map reaches."""
    fine = interpolate(np.nan_to_num(density), drawing_shape(density.shape, lattice))
    spread, highest = float(fine.std()), float(fine.max())
    traces = []
    for place, level in enumerate(LEVELS):
        if not 0 < level * spread < highest:
            break
        surface = isosurface(fine, lattice, level * spread / highest)
        traces.append(
            go.Mesh3d(
                **_coordinates(surface.vertices),
                **dict(zip("ijk", surface.faces.T, strict=True)),
                name="map",
                showlegend=True,
                legendgroup="map",
                visible=place == _SHOWN,
                color=_SURFACE,
                opacity=0.35,
                lighting=LIGHTING,
                hoverinfo="skip",
            )
        )
    if traces and not any(trace.visible for trace in traces):
        traces[-1].visible = True
    return traces


def _bonds(numbers: NDArray[np.int64], places: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the lines (2, 3) in Å between atoms that are as close as bonded ones."""
    if not 1 < len(numbers) <= _MOST_BONDED:
        return []
    radius = np.array([gemmi.Element(int(number)).covalent_r for number in numbers])
    distance = np.linalg.norm(places[:, None] - places[None], axis=-1)
    near = np.triu((distance < radius[:, None] + radius[None] + _BOND) & (distance > 0), 1)
    return [places[list(pair)] for pair in np.argwhere(near)]


def _lines(lines: list[NDArray[np.float64]], name: str, colour: str, width: int) -> go.Scatter3d:
    # A row without numbers breaks the line between two pieces.
    joined = np.concatenate([np.vstack([line, np.full(3, np.nan)]) for line in lines])
    line = {"color": colour, "width": width}
    return go.Scatter3d(**_coordinates(joined), name=name, mode="lines", line=line, hoverinfo="skip")


def _atoms(numbers: NDArray[np.int64], places: NDArray[np.float64], labels: list[str]) -> list[go.Scatter3d]:
    traces = []
    unusual = 0
    for number in np.unique(numbers)[::-1]:
        element = gemmi.Element(int(number))
        colour = _COLOURS.get(element.name)
        if colour is None:
            colour, unusual = _OTHERS[unusual % len(_OTHERS)], unusual + 1
        these = np.flatnonzero(numbers == number)
        traces.append(
            go.Scatter3d(
                **_coordinates(places[these]),
                name=element.name,
                text=[labels[place] for place in these],
                hoverinfo="text",
                mode="markers",
                marker={"size": 5 + 5 * float(element.covalent_r), "color": colour, "line": {"width": 1}},
            )
        )
    return traces


def _coordinates(places: NDArray[np.float64]) -> dict[str, Any]:
    # Plotly looks at each number of a list by itself, and takes an array as a whole.
    return dict(zip("xyz", np.asarray(places, dtype=np.float32).T, strict=True))
