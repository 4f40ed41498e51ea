"""Stated operations as matrices."""

from __future__ import annotations

from collections.abc import Iterable

import gemmi
import numpy as np
from numpy.typing import NDArray


def rotations_of(triplets: Iterable[str]) -> NDArray[np.int64]:
    """Return the rotations (G, 3, 3) of triplets such as `-x,y+1/2,-z`, as often as they are stated.

    Those that need fractional numbers in these axes are left out.
    """
    scaled = np.array([gemmi.Op(triplet).rot for triplet in triplets], dtype=np.int64).reshape(-1, 3, 3)
    whole = scaled[(scaled % gemmi.Op.DEN == 0).all((1, 2))]
    return whole // gemmi.Op.DEN
