"""Voxels of the true and the predicted density as the report draws them: all of them, and the most intense."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from phaselearn.report.axes import draw_atoms, frame_cell
from phaselearn.report.content import ShownCrystal
from phaselearn.report.surfaces import THRESHOLD

LARGEST = 55  # points², area of a voxel at the maximum


def voxel_figure(crystal: ShownCrystal) -> Figure:
    """Draw the truth above the prediction, with all voxels and with those above 70 % of the maximum, and the atoms."""
    figure = Figure(figsize=(9, 9), layout="constrained")
    for row, (name, density) in enumerate((("True", crystal.truth), ("Predicted", crystal.prediction))):
        for column, (least, what) in enumerate(
            ((0.0, "all voxels"), (THRESHOLD, f"above {100 * THRESHOLD:.0f} % of the maximum"))
        ):
            axes = figure.add_subplot(2, 2, 2 * row + column + 1, projection="3d", computed_zorder=False)
            frame_cell(axes, crystal, zoom=0.85)
            points = _draw_voxels(axes, np.nan_to_num(density), crystal, least)
            draw_atoms(axes, crystal)
            axes.set_title(f"{name} density, {what}", fontsize=10)
    figure.colorbar(points, ax=figure.axes, label="% of the map’s maximum", shrink=0.5)
    figure.suptitle(
        f"{crystal.formula} · {crystal.id} · voxels, larger where denser; rings: atoms of the true structure",
        fontsize=11,
    )
    return figure


def _draw_voxels(axes: Any, density: np.ndarray, crystal: ShownCrystal, least: float) -> Any:
    highest = density.max()
    share = density / highest if highest > 0 else np.zeros_like(density)
    chosen = np.argwhere(share > least)
    values = share[tuple(chosen.T)]
    # The densest voxels come last, since matplotlib draws in this order.
    order = values.argsort()
    places = (chosen[order] / density.shape) @ crystal.lattice
    return axes.scatter(
        *places.T,
        c=100 * values[order],
        s=LARGEST * values[order] ** 1.5,
        marker="s",
        cmap="cividis",
        vmin=0,
        vmax=100,
        linewidths=0,
        alpha=0.85,
        depthshade=False,
    )
