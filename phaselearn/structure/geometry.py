"""Cells, resolution and shortest vectors, in numpy and double precision."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.cells import Cell

_CELLS = np.array(list(product((0.0, -1.0, 1.0), repeat=3)))
_AT_ONCE = 1 << 16  # vectors


def cell_of(lattice: NDArray[np.float64]) -> Cell:
    """Return lengths in Å and angles in degrees of a lattice, rows a, b, c."""
    a, b, c = lengths = np.linalg.norm(lattice, axis=1)
    cosines = [lattice[i] @ lattice[j] / (lengths[i] * lengths[j]) for i, j in ((1, 2), (0, 2), (0, 1))]
    alpha, beta, gamma = np.rad2deg(np.arccos(np.clip(cosines, -1, 1)))
    return float(a), float(b), float(c), float(alpha), float(beta), float(gamma)


def symmetrised(lattice: NDArray[np.float64], rotations: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the lattice nearest to a measured one whose lengths and angles obey rotations (R, 3, 3) exactly."""
    metric = lattice @ lattice.T
    mean = np.mean([rotation.T @ metric @ rotation for rotation in rotations], axis=0)
    return np.linalg.cholesky(mean)


def inverse_d_squared(hkl: NDArray[np.integer], lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1/d² (...) in 1/Å² of reflections (..., 3)."""
    return np.square(hkl @ np.linalg.inv(lattice).T).sum(-1)


def shortest(difference: NDArray[np.float64], lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shortest of the periodic images of fractional vectors (..., 3), still fractional.

    The nearest image in fractional coordinates and the 26 cells around it are searched: exact for reduced cells.
    """
    wrapped = difference - np.round(difference)
    nearest: NDArray[np.float64] = wrapped + _CELLS[_squares(wrapped, lattice).argmin(-1)]
    return nearest


def distances(difference: NDArray[np.float64], lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lengths (...) in Å of the shortest images of fractional vectors (..., 3), as `shortest` has them."""
    rows = (difference - np.round(difference)).reshape(-1, 3)
    lengths = np.empty(len(rows))
    for first in range(0, len(rows), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        lengths[part] = _squares(rows[part], lattice).min(-1)
    return np.sqrt(np.maximum(lengths, 0)).reshape(difference.shape[:-1])


def _squares(wrapped: NDArray[np.float64], lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return |x + n|² (..., 27) in Å² for fractional vectors x and the cells n around them, as |x|² + |n|² + 2x·n."""
    own, cells = wrapped @ lattice, _CELLS @ lattice
    squares: NDArray[np.float64] = np.square(own).sum(-1)[..., None] + np.square(cells).sum(-1) + 2 * own @ cells.T
    return squares
