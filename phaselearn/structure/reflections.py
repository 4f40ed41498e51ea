"""Unique reflections of a space group, from intensities merged under a Laue group that is as high or higher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.merging import Merged
from phaselearn.structure.geometry import inverse_d_squared
from phaselearn.structure.space_group import DENOMINATOR, SpaceGroup


@dataclass(frozen=True, eq=False)
class Reflections:
    """Unique reflections that a space group allows.

    Attributes:
        hkl: (M, 3).
        intensity: (M,) on the scale of the measurement; may be negative.
        sigma: (M,) standard deviations, above zero.
        inverse_d_squared: (M,) in 1/Å².
        repeats: (M,) number of equivalents of each, Friedel mates included.
        independent: number of measured reflections behind them; fewer than M where the data were merged under more
            symmetry.
    """

    hkl: NDArray[np.int64]
    intensity: NDArray[np.float64]
    sigma: NDArray[np.float64]
    inverse_d_squared: NDArray[np.float64]
    repeats: NDArray[np.int64]
    independent: int

    @classmethod
    def of(cls, merged: Merged, group: SpaceGroup, lattice: NDArray[np.float64]) -> Self:
        """Return the reflections that are unique under a group.

        Equivalents under the Laue group of the data that the group does not have become reflections of their own.
        """
        rotations = laue_rotations(group)
        images = np.unique(np.concatenate((merged.rotations, -merged.rotations)).astype(np.int64), axis=0)
        expanded = np.einsum("mi,gij->gmj", merged.hkl.astype(np.int64), images).reshape(-1, 3)
        source = np.tile(np.arange(len(merged.hkl)), len(images))
        # One row for each reflection of the data among the equivalents of a unique one: mates that were kept apart.
        pairs, first = np.unique(np.stack((_name(expanded, rotations), source)), axis=1, return_index=True)
        _, start, place = np.unique(pairs[0], return_index=True, return_inverse=True)
        hkl, source = expanded[first[start]], source[first]
        precision = np.square(1 / np.where(merged.sigma > 0, merged.sigma, np.inf))[source]
        total = np.bincount(place, precision)
        kept = (total > 0) & ~is_forbidden(hkl, group) & hkl.any(1)
        intensity = np.bincount(place, precision * merged.intensity[source])[kept] / total[kept]
        hkl = hkl[kept]
        orbit = np.sort(_codes(np.einsum("mi,gij->mgj", hkl, rotations)), axis=1)
        repeats = 1 + (np.diff(orbit, axis=1) != 0).sum(1)
        independent = len(np.unique(source[kept[place]]))
        return cls(hkl, intensity, total[kept] ** -0.5, inverse_d_squared(hkl, lattice), repeats, independent)

    def __len__(self) -> int:
        """Return M."""
        return len(self.hkl)


def laue_rotations(group: SpaceGroup) -> NDArray[np.int64]:
    """Return (R, 3, 3) the rotations of the Laue group of a space group."""
    own = group.rotations[group.primitive]
    return np.unique(np.concatenate((own, -own)), axis=0)


def is_forbidden(hkl: NDArray[np.integer], group: SpaceGroup) -> NDArray[np.bool_]:
    """Return (M,) bool: whether an operation makes the reflections (M, 3) systematically absent."""
    forbidden = np.zeros(len(hkl), dtype=bool)
    steps = np.rint(group.translations * DENOMINATOR).astype(np.int64)
    for rotation, step in zip(group.rotations, steps, strict=True):
        forbidden |= (hkl @ rotation == hkl).all(1) & ((hkl @ step) % DENOMINATOR != 0)
    return forbidden


def _name(hkl: NDArray[np.int64], rotations: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (M,) a number that equivalent reflections (M, 3), and no others, share."""
    highest = _codes(hkl @ rotations[0])
    for rotation in rotations[1:]:
        highest = np.maximum(highest, _codes(hkl @ rotation))
    return highest


def _codes(hkl: NDArray[np.int64]) -> NDArray[np.int64]:
    width = 1 << 20  # more than twice any index
    return (hkl[..., 0] * width + hkl[..., 1]) * width + hkl[..., 2]
