"""Fingerprints of |F| that do not depend on the setting of the cell: powder patterns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from phaselearn.crystal.lattice import inverse_d_squared, volume
from phaselearn.crystal.layout import Shape, miller_box
from phaselearn.crystal.observed import box_for
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.data.pair_maps import pad_atoms
from phaselearn.data.structures import Crystal

_CRYSTALS_AT_ONCE = 64
_BINS = 96
_LARGEST = 3.0  # largest s·V^(1/3)


def fingerprints(crystals: Sequence[Crystal]) -> np.ndarray:
    """Return the powder patterns on the axis s·V^(1/3), as unit vectors (n, 96).

    The axis does not change when a cell grows isotropically, so a crystal has like patterns at different temperatures.
    """
    patterns = np.zeros((len(crystals), _BINS), np.float32)
    for shape, rows in _by_shape(crystals):
        lattice, numbers, positions = pad_atoms([crystals[row] for row in rows])
        lattice = lattice.float()
        intensity = structure_factors(lattice, numbers, positions, miller_box(shape)).abs().square()
        patterns[rows] = _powder(intensity, lattice, shape).numpy()
    return patterns


def sphere_shape(lattice: np.ndarray, largest: float) -> Shape:
    """Return the box that holds the reflections of a lattice (3, 3) in Å with s·V^(1/3) ≤ `largest`."""
    length = abs(np.linalg.det(lattice)) ** (1 / 3)
    return box_for([int(edge * largest / length) for edge in np.linalg.norm(lattice, axis=1)])


def relative_s(lattice: Tensor, shape: Shape) -> Tensor:
    """Return s·V^(1/3) (B, n₁, n₂, n₃) of the reflections of a box."""
    length = volume(lattice)[:, None, None, None] ** (1 / 3)
    return inverse_d_squared(lattice, *miller_box(shape)).sqrt() * length


def _by_shape(crystals: Sequence[Crystal]) -> Iterator[tuple[Shape, list[int]]]:
    """Yield the shapes of boxes and the numbers of the crystals that need them, some at a time."""
    rows = defaultdict(list)
    for row, crystal in enumerate(crystals):
        rows[sphere_shape(crystal.lattice, _LARGEST)].append(row)
    for shape, members in rows.items():
        for start in range(0, len(members), _CRYSTALS_AT_ONCE):
            yield shape, members[start : start + _CRYSTALS_AT_ONCE]


def _powder(intensity: Tensor, lattice: Tensor, shape: Shape) -> Tensor:
    place = relative_s(lattice, shape) / _LARGEST * _BINS
    inside = place < _BINS - 1
    inside[:, 0, 0, 0] = False
    weight = (intensity * inside).flatten(1)
    low = place.clamp_max(_BINS - 2).long().flatten(1)
    share = place.flatten(1) - low
    # Two bins share each line, so that a line near their border does not jump from one to the other.
    pattern = torch.zeros(len(intensity), _BINS)
    pattern.scatter_add_(1, low, weight * (1 - share).clamp(0, 1))
    pattern.scatter_add_(1, low + 1, weight * share.clamp(0, 1))
    # With square roots, weak lines count, too.
    pattern = pattern.sqrt()
    return pattern / pattern.norm(dim=1, keepdim=True).clamp_min(1e-12)


def alike(first: np.ndarray, second: np.ndarray, similarity: float) -> Iterator[tuple[int, int]]:
    """Yield the pairs (row of first, row of second) of fingerprints with a cosine of at least `similarity`."""
    for start in range(0, len(first), 1024):
        cosine = first[start : start + 1024] @ second.T
        for row, column in zip(*np.nonzero(cosine >= similarity), strict=True):
            yield start + int(row), int(column)
