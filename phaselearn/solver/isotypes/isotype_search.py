"""The search among known crystals for those with a like cell and like intensities."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree

from phaselearn.crystal.structure_factors import geometric_sum
from phaselearn.solver.isotypes.known_crystals import KnownCrystals
from phaselearn.solver.isotypes.primitive_cell import possible_cells
from phaselearn.solver.isotypes.reduced_bases import reduced_bases, shape
from phaselearn.structure.lattice_points import closed

_LARGEST = 5  # |h|, |k| and |l| of the reflections that are compared
_WIDTH = 2 * _LARGEST + 1
_FEWEST = 10  # reflections that both must have
_BETWEEN = 0.1  # of an index; those between reflections differ from whole ones by a sixth and more
_DEVIATIONS = 4.5  # of a correlation by chance that a like one must exceed: the best of thousands reaches 4
_EQUAL = 1e-5  # scatter of |F| beside their size, both as sums of squares, below which they are equal
_TINY = 1e-30
_AT_ONCE = 256  # known crystals whose |F| are computed together
_COMPARED_AT_ONCE = 4096  # known crystals whose |F| are compared together; bounds the memory
_LEVELS = 1000  # of |F| below the largest, to which bases that give the same |F| agree


@dataclass(frozen=True)
class Isotype:
    """A known crystal that a crystal may be isotypic with.

    Attributes:
        row: the known crystal.
        correlation: Pearson's, of the |F| of both.
        basis: (3, 3), M: the axes of the known crystal are M times those of the crystal, so its indices are M h.
    """

    row: int
    correlation: float
    basis: NDArray[np.float64]


@dataclass(frozen=True)
class _Measured:
    """A crystal's reflections (n, 3), their |F| (n,), the largest of which is 1, and its lattice (3, 3)."""

    hkl: NDArray[np.int64]
    amplitude: NDArray[np.float64]
    lattice: NDArray[np.float64]


class IsotypeSearch:
    """Finds known crystals whose cell has the same shape and whose |F| are like those of a crystal.

    The cells are compared without regard to their volume, and the |F| are those of point atoms at rest: so the elements
    may be others.

    Args:
        known: the known crystals.
        tolerance: largest difference of the logarithms of two edges, and of the cosines of two angles.
        least: least correlation of |F|; of few reflections a higher one is asked for, which chance does not reach.
    """

    def __init__(self, known: KnownCrystals, tolerance: float, least: float) -> None:
        self.known, self.tolerance, self.least = known, tolerance, least
        self._tree = KDTree(shape(known.lattice))
        self._amplitudes = np.empty((len(known), (_LARGEST + 1) * _WIDTH**2), np.float32)
        self._computed = np.zeros(len(known), bool)

    def find(
        self, hkl: NDArray[np.int64], amplitude: NDArray[np.float64], lattice: NDArray[np.float64], most: int
    ) -> list[Isotype]:
        """Return the known crystals with the likest |F|, the best first, at most one of each structure type.

        Where the reflections seem to be those of a centred cell, there may be as many again for its primitive cell.

        Args:
            hkl: (n, 3) Miller indices, one of each Friedel pair.
            amplitude: (n,) |F| of point atoms at rest, on any scale.
            lattice: (3, 3), rows in Å.
            most: largest number.
        """
        measured = _Measured(hkl, amplitude / max(float(amplitude.max(initial=0.0)), _TINY), lattice)
        found = []
        for cell in possible_cells(hkl, measured.amplitude):
            found += self._in_bases(reduced_bases(cell @ lattice) @ cell, measured, most)
        return sorted(found, key=lambda isotype: -isotype.correlation)

    def _in_bases(self, bases: NDArray[np.float64], measured: _Measured, most: int) -> list[Isotype]:
        """Return what is found in bases (V, 3, 3) of one cell."""
        found = [
            (rows, np.full(len(rows), basis), self._correlations(rows, place, measured.amplitude))
            for rows, basis, place in self._pairs(bases, measured)
        ]
        if not found:
            return []
        row, basis, correlation = (np.concatenate(parts) for parts in zip(*found, strict=True))
        kind = self.known.kind[row]
        best = np.zeros(len(self.known.kinds), correlation.dtype)
        np.maximum.at(best, kind, correlation)
        present = np.flatnonzero(best)
        isotypes = []
        for likest in present[np.argsort(-best[present], kind="stable")[:most]]:
            one = np.flatnonzero((kind == likest) & (correlation == best[likest]))[0]
            isotypes.append(Isotype(int(row[one]), float(correlation[one]), bases[basis[one]]))
        return isotypes

    def atoms(self, isotype: Isotype) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the atomic numbers (n,) and positions (n, 3) of a known crystal in the axes of the crystal.

        If these are the axes of a centred cell, there are atoms at each of its lattice points.
        """
        numbers, positions = self.known.atoms(isotype.row)
        points = closed(isotype.basis)
        own = positions @ isotype.basis + points[:, None]
        return np.tile(numbers, len(points)), own.reshape(-1, 3)

    def _pairs(
        self, bases: NDArray[np.float64], measured: _Measured
    ) -> Iterator[tuple[NDArray[np.int64], int, NDArray[np.int64]]]:
        """Yield known crystals that a basis brings near, the basis, and the places (n,) of the reflections in it.

        Bases with the same shape and the same |F|, as symmetry makes them, would give the same again.
        """
        shapes, which = np.unique(shape(bases @ measured.lattice).round(4), axis=0, return_inverse=True)
        found = self._tree.query_ball_point(shapes, self.tolerance, p=np.inf)
        near = [np.array(rows, np.int64) for rows in found]
        self._compute(np.unique(np.concatenate(near)))
        rounded = 1 + np.rint(measured.amplitude * _LEVELS).astype(np.int16)
        for one, rows in enumerate(near):
            if not len(rows):
                continue
            seen = set()
            for basis in np.flatnonzero(which == one).tolist():
                place = _places(measured.hkl @ bases[basis].T)
                line = np.zeros(self._amplitudes.shape[1] + 1, np.int16)
                line[place] = rounded  # the last one stands for all reflections outside the box
                content = line[:-1].tobytes()
                if content not in seen:
                    seen.add(content)
                    for first in range(0, len(rows), _COMPARED_AT_ONCE):
                        yield rows[first : first + _COMPARED_AT_ONCE], basis, place

    def _correlations(
        self, rows: NDArray[np.int64], place: NDArray[np.int64], amplitude: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return Pearson's correlations (R,) of the |F| of known crystals with those of the crystal, 0 for low ones."""
        within = place >= 0
        if within.sum() < _FEWEST:
            return np.zeros(len(rows), np.float32)
        # Fisher's z of a correlation by chance has a standard deviation of 1/√(n − 3).
        least = max(self.least, math.tanh(_DEVIATIONS / math.sqrt(int(within.sum()) - 3)))
        # Flat places are read much faster than rows and columns.
        flat = rows[:, None] * self._amplitudes.shape[1] + place[within]
        theirs, own = self._amplitudes.ravel().take(flat), amplitude[within].astype(np.float32)
        own -= own.mean()
        square = np.einsum("rh,rh->r", theirs, theirs)
        spread = square - theirs.sum(1) ** 2 / len(own)
        # What is left of equal |F| is rounding.
        differ = (spread > _EQUAL * square) & (own @ own > _EQUAL)
        correlation = theirs @ own / np.sqrt(np.maximum(spread * (own @ own), _TINY))
        return np.where(differ & (correlation >= least), correlation, 0.0)

    def _compute(self, rows: NDArray[np.int64]) -> None:
        """Compute the |F| of known crystals on the box of the reflections that are compared, unless they are there."""
        rows = rows[~self._computed[rows]]
        along = torch.arange(-_LARGEST, _LARGEST + 1)
        by_size = rows[np.argsort(self.known.count[rows], kind="stable")]
        for first in range(0, len(rows), _AT_ONCE):
            part = by_size[first : first + _AT_ONCE]
            numbers, positions = (torch.from_numpy(values) for values in self.known.padded(part))
            factors = geometric_sum(numbers.float(), positions, (along[_LARGEST:], along, along))
            amplitudes = factors.abs().flatten(1)
            # Pearson's correlation asks for no level; without it, single precision is enough.
            self._amplitudes[part] = (amplitudes - amplitudes.mean(1, keepdim=True)).numpy()
        self._computed[rows] = True


def _places(hkl: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the places (n,) of reflections (n, 3) in a row of |F|; −1 for those outside the box or between others."""
    whole = np.rint(hkl).astype(np.int64)
    is_whole = (np.abs(hkl - whole) < _BETWEEN).all(1)
    half = np.where(whole[:, :1] < 0, -whole, whole)
    place = (half[:, 0] * _WIDTH + half[:, 1] + _LARGEST) * _WIDTH + half[:, 2] + _LARGEST
    return np.where(is_whole & (np.abs(half) <= _LARGEST).all(1), place, -1)
