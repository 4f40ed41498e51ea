"""The centring of a cell in any axes: vectors whose forbidden reflections are absent, or were never listed."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.absences import Absences
from phaselearn.measured.merging import Merged
from phaselearn.structure.lattice_points import closed

_DENOMINATORS = (2, 3, 4)
_COMMON = 12  # their least common multiple
_EQUAL = 0.01  # distance of h·t from a whole number
_FEWEST = 3  # forbidden reflections, none of which is significant
_ABSENT = 0.03  # of the mean intensity of the others
_UNLISTED = 0.01  # probability that no forbidden reflection is listed by accident


def centring_of(merged: Merged) -> NDArray[np.float64]:
    """Return (C, 3) the centring vectors whose forbidden reflections are all absent, zero first.

    The rotations of the Laue group map a centring onto itself, so a vector and its images are judged together: of a
    superstructure's weak reflections, those that one of them forbids may be absent by accident.
    """
    found = []
    for star in _stars(merged.rotations):
        phase = merged.hkl @ star
        allowed = np.all(np.abs(phase - np.round(phase)) < _EQUAL, axis=1)
        if _is_centring(Absences.of(merged.intensity, merged.sigma, ~allowed, allowed)):
            found.append(star.T)
    return closed(np.concatenate([np.zeros((1, 3)), *found]))


def _stars(rotations: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """Return vectors that may be centrings with all their images, each as columns (3, n), modulo whole cells."""
    stars = {}
    for size in _DENOMINATORS:
        for vector in product(range(size), repeat=3):
            images = np.unique(rotations @ np.array(vector) % size, axis=0)
            if any(vector):
                stars[(images * _COMMON // size).tobytes()] = images.T / size
    return list(stars.values())


def _is_centring(absences: Absences) -> bool:
    # A centring forbids at least half of all reflections. Programs often leave the forbidden ones out.
    unlisted = absences.forbidden == 0 and 0.5**absences.allowed < _UNLISTED
    if absences.obeyed is None and absences.forbidden >= _FEWEST:  # too few for a judgement by their numbers
        return absences.significant == 0 and absences.forbidden_intensity < _ABSENT * absences.allowed_intensity
    return unlisted or bool(absences.obeyed)
