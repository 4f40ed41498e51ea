"""Centred cells: which reflections they allow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Condition:
    """A reflection is allowed where factors · hkl is a multiple of a number."""

    factors: tuple[int, int, int]
    multiple: int

    def allows(self, hkl: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return which reflections (M, 3) are allowed."""
        return np.asarray(hkl, dtype=np.int64) @ np.array(self.factors) % self.multiple == 0


_A, _B, _C = Condition((0, 1, 1), 2), Condition((1, 0, 1), 2), Condition((1, 1, 0), 2)
# Symbol of the lattice, and its conditions. R has its hexagonal axes, in the obverse and in the reverse setting.
CENTRINGS: Mapping[str, tuple[Condition, ...]] = MappingProxyType(
    {
        "P": (),
        "A": (_A,),
        "B": (_B,),
        "C": (_C,),
        "I": (Condition((1, 1, 1), 2),),
        "R obverse": (Condition((-1, 1, 1), 3),),
        "R reverse": (Condition((1, -1, 1), 3),),
        "F": (_A, _B, _C),
    }
)
_CHANCE = 1e-4  # that so many reflections obey a condition by accident


def allowed_by(conditions: Iterable[Condition], hkl: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which reflections (M, 3) obey all of some conditions."""
    allowed = np.ones(len(hkl), dtype=bool)
    for condition in conditions:
        allowed &= condition.allows(hkl)
    return allowed


def conditions_of(hkl: NDArray[np.integer]) -> list[Condition]:
    """Return the conditions that all reflections of a list (M, 3) obey, if it is too long for an accident."""
    every = {condition for conditions in CENTRINGS.values() for condition in conditions}
    return [one for one in every if float(one.multiple) ** -len(hkl) < _CHANCE and one.allows(hkl).all()]


def allowed_share(conditions: Iterable[Condition]) -> float:
    """Return the share of all reflections that obey some conditions."""
    return float(allowed_by(conditions, np.array(list(product(range(6), repeat=3)))).mean())
