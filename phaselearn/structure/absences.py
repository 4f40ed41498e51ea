"""The centring of a cell in any axes: vectors whose forbidden reflections are absent, or were never listed."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.absences import Absences, absence_table
from phaselearn.measured.merging import Merged
from phaselearn.structure.lattice_points import closed

_DENOMINATORS = (2, 3, 4)
_FEWEST = 3  # forbidden reflections, none of which is significant
_ABSENT = 0.03  # of the mean intensity of the others
_UNLISTED = 0.01  # probability that no forbidden reflection is listed by accident


def centring_of(merged: Merged) -> NDArray[np.float64]:
    """Return (C, 3) the centring vectors whose forbidden reflections are all absent, zero first."""
    vectors = [np.array(vector) / size for size in _DENOMINATORS for vector in product(range(size), repeat=3)]
    vectors = [vector for vector in vectors if vector.any()]
    table = absence_table(merged, [(np.eye(3, dtype=np.int64), vector) for vector in vectors])
    found = [vector for vector, absences in zip(vectors, table, strict=True) if _is_centring(absences)]
    return closed(np.array([np.zeros(3), *found]))


def _is_centring(absences: Absences) -> bool:
    # A centring forbids at least half of all reflections. Programs often leave the forbidden ones out.
    unlisted = absences.forbidden == 0 and 0.5**absences.allowed < _UNLISTED
    if absences.obeyed is None and absences.forbidden >= _FEWEST:  # too few for a judgement by their numbers
        return absences.significant == 0 and absences.forbidden_intensity < _ABSENT * absences.allowed_intensity
    return unlisted or bool(absences.obeyed)
