"""Bases of a lattice that are reduced or nearly so, and the shape of a cell.

The reduced cells of two isotypic crystals may have their axes in another order, or other diagonals as axes: a small
strain is enough. So a crystal is compared in all its bases that are nearly as short as the shortest.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import spglib
from numpy.typing import NDArray

from phaselearn.phasing.laue import rotations

_LONGER = 1.4  # times the shortest basis, axis by axis


def reduced_bases(lattice: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return (V, 3, 3) matrices M of determinant ±1; the rows of M @ lattice are nearly as short as any basis.

    All have one hand, since Friedel's law leaves the other without anything new.

    Args:
        lattice: (3, 3), rows in Å.
    """
    reduced = spglib.niggli_reduce(lattice)
    first = np.eye(3) if reduced is None else np.rint(reduced @ np.linalg.inv(lattice))
    steps, places, changes = _changes()
    lengths = np.linalg.norm(steps @ first @ lattice, axis=1)
    edges = np.sort(lengths[places], axis=1)
    near = (edges <= _LONGER * edges.min(0)).all(1)
    return changes[near] @ first.astype(np.int64)


def shape(lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (..., 6) the logarithms of the edges of cells (..., 3, 3) of volume 1, and the cosines of the angles."""
    metric = lattice @ np.swapaxes(lattice, -1, -2)
    edges = np.sqrt(np.diagonal(metric, axis1=-2, axis2=-1))
    cosines = [metric[..., i, j] / (edges[..., i] * edges[..., j]) for i, j in ((1, 2), (0, 2), (0, 1))]
    logarithms = np.log(edges) - np.log(np.abs(np.linalg.det(lattice)))[..., None] / 3
    return np.concatenate((logarithms, np.stack(cosines, -1)), -1)


@cache
def _changes() -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return steps (27, 3), the steps (V, 3) that are the rows of changes of the basis, and the changes (V, 3, 3)."""
    steps = np.array(list(product((-1, 0, 1), repeat=3)))
    changes = np.concatenate((np.eye(3, dtype=np.int64)[None], rotations().numpy()))
    places = (changes + 1) @ np.array([9, 3, 1])
    return steps.astype(np.float64), places, changes
