"""Stated operations as matrices."""

from __future__ import annotations

from collections.abc import Iterable

import gemmi
import numpy as np
from numpy.typing import NDArray


def rotations_of(triplets: Iterable[str]) -> NDArray[np.int64]:
    """Return the rotations (G, 3, 3) of triplets such as `-x,y+1/2,-z`, as often as they are stated.

    A rotation that needs fractional numbers in these axes is rounded to none of the lattice's.
    """
    return np.array([gemmi.Op(triplet).rot for triplet in triplets], dtype=np.int64) // gemmi.Op.DEN
