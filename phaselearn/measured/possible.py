"""How many unique reflections a cell has up to a resolution."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.cells import Cell, inverse_d_squared, metric, volume
from phaselearn.measured.centring import Condition, allowed_by, allowed_share

_MOST_LISTED = 4_000_000  # reflections in the box that holds the sphere; of more, the number follows from the volume


def possible_reflections(
    cell: Cell, d_min: float, rotations: NDArray[np.int64], conditions: Iterable[Condition] = ()
) -> int:
    """Return the number of unique reflections under a group, at least 1.

    It is the mean, over the group, of the number of reflections that a rotation leaves where they are (Burnside).

    Args:
        cell: a, b, c in Å, α, β, γ in degrees.
        d_min: the resolution in Å.
        rotations: all matrices (R, 3, 3) of the group.
        conditions: conditions of the centring; reflections that they forbid do not count.
    """
    conditions = frozenset(conditions)
    limits = _limits(cell, d_min)
    if np.prod(2.0 * limits + 1) > _MOST_LISTED:
        sphere = 4 / 3 * np.pi / d_min**3 * volume(cell)
        return max(1, round(sphere * allowed_share(conditions) / len(rotations)))
    fixed = sum(_fixed(cell, d_min, conditions, tuple(rotation.ravel().tolist())) for rotation in rotations)
    return max(1, round(fixed / len(rotations)))


def _limits(cell: Cell, d_min: float) -> NDArray[np.int64]:
    return np.floor(np.sqrt(np.diag(metric(cell))) / d_min + 1e-6).astype(np.int64)


@lru_cache(maxsize=1024)
def _fixed(cell: Cell, d_min: float, conditions: frozenset[Condition], rotation: tuple[int, ...]) -> int:
    """Return the number of reflections that a rotation (9 numbers) leaves where they are."""
    hkl = _sphere(cell, d_min, conditions)
    return int((hkl @ np.array(rotation).reshape(3, 3) == hkl).all(1).sum())


@lru_cache(maxsize=4)
def _sphere(cell: Cell, d_min: float, conditions: frozenset[Condition]) -> NDArray[np.int64]:
    """Return all reflections (M, 3) up to a resolution but 000, of those that are allowed."""
    ranges = [np.arange(-limit, limit + 1) for limit in _limits(cell, d_min)]
    box = np.stack(np.meshgrid(*ranges, indexing="ij"), -1).reshape(-1, 3)
    square = inverse_d_squared(box, cell)
    inside = box[(square > 0) & (square <= (1 + 1e-6) / d_min**2)]
    return inside[allowed_by(conditions, inside)]
