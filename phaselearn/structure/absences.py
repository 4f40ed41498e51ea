"""Systematic absences: how strong the reflections are that a group or a centring forbids."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.merging import Merged
from phaselearn.structure.lattice_points import closed

_ABSENT_SHARE = 0.003  # of the mean intensity, whatever their σ: half the wavelength makes as much
_ABSENT_OVER_SIGMA = 1.5
_FEWEST = 8  # measured or missing reflections that a centring must forbid


@dataclass(frozen=True)
class Absences:
    """Forbidden reflections that were measured: their number, mean I/σ, and mean I over that of the others."""

    count: int
    over_sigma: float
    share: float


def absences(merged: Merged, forbidden: NDArray[np.bool_]) -> Absences:
    """Return how strong forbidden reflections (M,) are."""
    if not forbidden.any():
        return Absences(0, 0.0, 0.0)
    ratio = merged.intensity / np.maximum(merged.sigma, 1e-9)
    allowed = float(merged.intensity[~forbidden].mean()) if (~forbidden).any() else 0.0
    share = float(merged.intensity[forbidden].mean()) / allowed if allowed > 0 else 1.0
    return Absences(int(forbidden.sum()), float(ratio[forbidden].mean()), share)


def centring_of(merged: Merged) -> NDArray[np.float64]:
    """Return (C, 3) the centring vectors whose forbidden reflections are all absent, zero first."""
    found = [vector for vector in _possible() if _is_absent(merged, vector)]
    return closed(np.array([np.zeros(3), *found]))


def _possible() -> list[NDArray[np.float64]]:
    vectors = [np.array(vector) / size for size in (2, 3, 4) for vector in product(range(size), repeat=3)]
    return [vector for vector in vectors if vector.any()]


def _is_absent(merged: Merged, vector: NDArray[np.float64]) -> bool:
    phase = merged.hkl @ vector
    forbidden = np.abs(phase - np.round(phase)) > 1e-6
    measured = absences(merged, forbidden)
    if measured.count < _FEWEST:
        # A list without them was made by a program that left them out.
        return measured.count == 0 and len(merged.hkl) >= _FEWEST
    return measured.over_sigma < _ABSENT_OVER_SIGMA or measured.share < _ABSENT_SHARE
