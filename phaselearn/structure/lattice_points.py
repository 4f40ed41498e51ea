"""Lattices with centring: the vectors that leave a crystal as it is, beside the whole cells."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


def nearest_lattice_vector(
    vectors: NDArray[np.float64], centrings: NDArray[np.float64], lattice: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lattice vectors nearest to fractional vectors (..., 3), and their distances (...) in Å.

    Args:
        vectors: (..., 3).
        centrings: (C, 3), zero among them.
        lattice: (3, 3), rows in Å.
    """
    candidates = np.round(vectors[..., None, :] - centrings) + centrings
    lengths = np.linalg.norm((vectors[..., None, :] - candidates) @ lattice, axis=-1)
    nearest = lengths.argmin(-1)
    chosen = np.take_along_axis(candidates, nearest[..., None, None], -2)[..., 0, :]
    return chosen, np.take_along_axis(lengths, nearest[..., None], -1)[..., 0]


def primitive_basis(centrings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (3, 3), whose columns are a basis of the lattice of whole cells and centrings (C, 3)."""
    denominator = math.lcm(*(Fraction(value).limit_denominator(48).denominator for value in centrings.ravel().tolist()))
    vectors = np.concatenate((np.eye(3), centrings)) * denominator
    rows = np.rint(vectors).astype(np.int64)
    basis = []
    for column in range(3):
        # Euclid's algorithm in this column leaves one row that is not zero there: the next vector of the basis.
        while np.count_nonzero(rows[:, column]) > 1:
            present = np.flatnonzero(rows[:, column])
            least = present[np.abs(rows[present, column]).argmin()]
            factor = rows[:, column] // rows[least, column]
            factor[least] = 0
            rows -= factor[:, None] * rows[least]
        [pivot] = np.flatnonzero(rows[:, column])
        basis.append(rows[pivot])
        rows = np.delete(rows, pivot, axis=0)
    return np.array(basis).T / denominator


def closed(centrings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the group (C, 3) that centring vectors generate, modulo whole cells, zero first."""
    known = {(0, 0, 0)}
    steps = [tuple(row) for row in np.rint(centrings * 48).astype(int) % 48]
    waiting = list(known)
    while waiting:
        vector = waiting.pop()
        for step in steps:
            moved = tuple((a + b) % 48 for a, b in zip(vector, step, strict=True))
            if moved not in known:
                known.add(moved)
                waiting.append(moved)
    return np.array(sorted(known)) / 48
