"""Three-dimensional axes about a unit cell: edges, limits, labels, atoms."""

from __future__ import annotations

from typing import Any

import numpy as np
from mpl_toolkits.mplot3d.art3d import Line3DCollection

from phaselearn.report.content import ShownCrystal
from phaselearn.report.surfaces import atoms_in_cell, cell_edges

VIEW = {"elev": 18, "azim": -67}


def frame_cell(axes: Any, crystal: ShownCrystal, zoom: float = 0.95) -> None:
    """Draw the edges of the cell in axes in Å, with equal scales along all axes."""
    edges = cell_edges(crystal.lattice)
    axes.add_collection3d(Line3DCollection(edges, colors="#9AA3AC", linewidths=0.8))
    corners = np.concatenate(edges)
    low, high = corners.min(0), corners.max(0)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
    axes.set(xlabel="x / Å", ylabel="y / Å", zlabel="z / Å")
    axes.set_box_aspect(high - low, zoom=zoom)
    axes.view_init(**VIEW)
    axes.tick_params(labelsize=8, pad=0)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color((1, 1, 1, 0))
        axis.get_major_locator().set_params(nbins=4)


def draw_atoms(axes: Any, crystal: ShownCrystal) -> None:
    """Draw the atoms of the true structure as rings; those on a face of the cell are drawn with their images."""
    _, positions = atoms_in_cell(crystal.numbers, crystal.positions)
    places = positions @ crystal.lattice
    for width, colour in ((3.2, "white"), (1.4, "#1B1F24")):
        axes.scatter(*places.T, s=110, facecolors="none", edgecolors=colour, linewidths=width, depthshade=False)
