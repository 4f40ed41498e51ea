"""A lattice of more symmetry than the axes of its centred cell can show, such as cubic rock salt on tetragonal axes."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.absences import choose_centring
from phaselearn.measured.cells import Cell, lattice_of
from phaselearn.measured.centring import allowed_by
from phaselearn.measured.lattice_symmetry import lattice_rotations, reduced_axes
from phaselearn.measured.laue import choose_laue_class
from phaselearn.measured.reflection_data import ReflectionData
from phaselearn.measured.stated_symmetry import rotations_of
from phaselearn.structure.geometry import cell_of

# Stricter than elsewhere: whoever chose a centred cell has seen that it is not quite the cell of a higher lattice.
_TOLERANCE = 0.002  # of the product of two edges: a tenth of a per cent of an edge, 0.1° of an angle
# Axes of a primitive cell, as rows, in those of the centred one.
_PRIMITIVE = MappingProxyType(
    {
        "A": ((1, 0, 0), (0, 1 / 2, 1 / 2), (0, -1 / 2, 1 / 2)),
        "B": ((1 / 2, 0, 1 / 2), (0, 1, 0), (-1 / 2, 0, 1 / 2)),
        "C": ((1 / 2, 1 / 2, 0), (-1 / 2, 1 / 2, 0), (0, 0, 1)),
        "I": ((-1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (1 / 2, 1 / 2, -1 / 2)),
        "F": ((0, 1 / 2, 1 / 2), (1 / 2, 0, 1 / 2), (1 / 2, 1 / 2, 0)),
        "R obverse": ((2 / 3, 1 / 3, 1 / 3), (-1 / 3, 1 / 3, 1 / 3), (-1 / 3, -2 / 3, 1 / 3)),
        "R reverse": ((1 / 3, 2 / 3, 1 / 3), (-2 / 3, -1 / 3, 1 / 3), (1 / 3, -1 / 3, 1 / 3)),
    }
)


def in_primitive_axes(data: ReflectionData) -> tuple[ReflectionData, tuple[str, ...]]:
    """Return reflections in the axes of a primitive cell where these alone show their symmetry, and a note about it.

    In the axes of a centred cell, some rotations of its lattice have fractional numbers. The data stay as they are
    where nothing is gained: where the lattice has no such rotation, the intensities do not obey it, or a symmetry is
    stated.
    """
    centring = choose_centring(data)
    if centring.symbol == "P" or len(np.unique(rotations_of(data.experiment.operations), axis=0)) > 1:
        return data, ()
    axes, lattice = np.array(_PRIMITIVE[centring.symbol]), lattice_of(data.experiment.cell)
    primitive = axes @ lattice
    axes = reduced_axes(primitive @ primitive.T) @ axes
    cell = cell_of(axes @ lattice)
    if len(lattice_rotations(cell, _TOLERANCE)) <= len(lattice_rotations(data.experiment.cell)):
        return data, ()
    moved = _moved(data, allowed_by(centring.conditions, data.hkl), axes, cell)
    before, now = (len(choose_laue_class(each).chosen.laue_class.rotations) for each in (data, moved))
    if now <= before:
        return data, ()
    numbers = ", ".join(f"{number:.4g}" for number in cell)
    return moved, (
        f"the axes of the given cell, centred {centring.symbol[0]}, hide symmetry that the intensities have: a cell "
        f"without centring is taken, {numbers}",
    )


def _moved(data: ReflectionData, kept: NDArray[np.bool_], axes: NDArray[np.float64], cell: Cell) -> ReflectionData:
    """Return some of the reflections in new axes (3, 3), which stand as rows in the old ones."""
    share = abs(np.linalg.det(axes))
    contents = {element: number * share for element, number in data.experiment.contents.items()}
    return replace(
        data,
        hkl=np.round(data.hkl[kept] @ axes.T).astype(np.int32),
        intensity=data.intensity[kept],
        sigma=data.sigma[kept],
        experiment=replace(data.experiment, cell=cell, contents=contents, operations=()),
    )
