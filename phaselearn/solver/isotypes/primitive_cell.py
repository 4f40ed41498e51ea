"""The primitive cell of a list of reflections, by those that a centring forbids."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from phaselearn.structure.lattice_points import closed, primitive_basis

_ABSENT = 0.01  # of the mean intensity of the others
_FEWEST = 8  # reflections that a centring allows


def possible_cells(hkl: NDArray[np.int64], amplitude: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the cell that reflections (n, 3) are given in and, if it seems to be centred, the primitive one.

    Each is (3, 3), its rows in the axes of the given cell. A vector is a centring if the reflections that it forbids
    were not listed, or have little intensity. That may be a superstructure, so the given cell always counts.
    """
    vectors = _vectors()
    phase = hkl @ vectors.T
    forbidden = np.abs(phase - np.rint(phase)) > 1e-6
    intensity = amplitude**2
    without, within = forbidden.sum(0), (~forbidden).sum(0)
    mean_without = intensity @ forbidden / np.maximum(without, 1)
    mean_within = intensity @ ~forbidden / np.maximum(within, 1)
    is_centring = (within >= _FEWEST) & (mean_without <= _ABSENT * mean_within)
    if not is_centring.any():
        return [np.eye(3)]
    return [np.eye(3), primitive_basis(closed(vectors[is_centring])).T]


@cache
def _vectors() -> NDArray[np.float64]:
    """Return (C, 3) the vectors of halves and of thirds: those of the centrings P, A, B, C, I, F and R."""
    found = [np.array(vector) / size for size in (2, 3) for vector in product(range(size), repeat=3)]
    return np.array([vector for vector in found if vector.any()])
