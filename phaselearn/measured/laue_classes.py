"""The Laue classes that a cell allows, in its own axes, whatever its setting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import gcd
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.cells import Cell
from phaselearn.measured.lattice_symmetry import lattice_rotations, subgroups

_ORDER_OF_TRACE = {3: 1, -1: 2, 0: 3, 1: 4, 2: 6}  # of a proper rotation
# Number of proper rotations of each order but the first, and the Laue class.
_SYMBOLS = MappingProxyType(
    {
        (): "-1",
        ((2, 1),): "2/m",
        ((2, 3),): "mmm",
        ((2, 1), (4, 2)): "4/m",
        ((2, 5), (4, 2)): "4/mmm",
        ((3, 2),): "-3",
        ((2, 3), (3, 2)): "-3m",
        ((2, 1), (3, 2), (6, 2)): "6/m",
        ((2, 7), (3, 2), (6, 2)): "6/mmm",
        ((2, 3), (3, 8)): "m-3",
        ((2, 9), (3, 8), (4, 6)): "m-3m",
    }
)


@dataclass(frozen=True)
class LaueClass:
    """A Laue group in the axes of a cell.

    Attributes:
        rotations: all matrices (R, 3, 3) of the group, the proper ones first and the identity before all. They act on
            fractional coordinates as x' = R x, and on indices as rows: h' = h R.
    """

    rotations: NDArray[np.int64]

    @classmethod
    def of_proper(cls, rotations: NDArray[np.int64]) -> LaueClass:
        """Return the class of proper rotations (R, 3, 3), the identity first, and the inversion."""
        return cls(np.concatenate((rotations, -rotations)))

    @property
    def proper(self) -> NDArray[np.int64]:
        """The proper rotations (R/2, 3, 3)."""
        return self.rotations[: len(self.rotations) // 2]

    @cached_property
    def symbol(self) -> str:
        """The class, such as `2/m`; the same for each choice of axes."""
        orders = Counter(map(rotation_order, self.proper[1:]))
        return _SYMBOLS[tuple(sorted(orders.items()))]

    @cached_property
    def name(self) -> str:
        """The symbol with the axes that tell it from its like in the same cell, such as `2/m along b`."""
        if self.symbol in ("-1", "m-3", "m-3m"):
            return self.symbol
        highest = max(map(rotation_order, self.proper))
        axes = [written_axis(rotation_axis(one)) for one in self.proper if rotation_order(one) == highest]
        if self.symbol == "-3m":
            axes += [written_axis(rotation_axis(one)) for one in self.proper if rotation_order(one) == 2][:1]
        return f"{self.symbol} along {', '.join(sorted(set(axes), key=axes.index))}"

    def is_same(self, other: LaueClass) -> bool:
        """Return whether another class has the same rotations."""
        own, others = ({rotation.tobytes() for rotation in one.rotations} for one in (self, other))
        return own == others


@lru_cache(maxsize=16)
def laue_candidates(cell: Cell) -> tuple[LaueClass, ...]:
    """Return all Laue classes that the lattice of a cell allows, each in every orientation, the smallest first.

    The last is the symmetry of the lattice itself. Rotations that need fractional numbers in these axes, as some of a
    centred cell do, are not among them.
    """
    return tuple(LaueClass.of_proper(group) for group in subgroups(lattice_rotations(cell)))


def laue_class_of(rotations: NDArray[np.int64]) -> LaueClass:
    """Return the Laue class of the rotations (R, 3, 3) of a point group or space group; they may be repeated."""
    proper = rotations * np.round(np.linalg.det(rotations)).astype(np.int64)[:, None, None]
    unique = np.unique(proper, axis=0)
    first = (unique == np.eye(3, dtype=np.int64)).all((1, 2))
    return LaueClass.of_proper(np.concatenate((unique[first], unique[~first])))


def rotation_order(rotation: NDArray[np.int64]) -> int:
    """Return how often a proper rotation (3, 3) has to be repeated to give the identity."""
    return _ORDER_OF_TRACE[int(np.trace(rotation))]


def rotation_axis(rotation: NDArray[np.int64]) -> tuple[int, ...]:
    """Return the axis of a proper rotation (3, 3) but the identity, as whole numbers in the axes of the cell."""
    # The mean of all powers projects onto the axis.
    powers = [np.linalg.matrix_power(rotation, power) for power in range(rotation_order(rotation))]
    projection = np.sum(powers, axis=0)
    axis = projection[:, np.argmax(np.abs(projection).sum(0))]
    axis = axis // gcd(*map(int, axis))
    return tuple(int(number) for number in axis * np.sign(axis[np.flatnonzero(axis)[0]]))


def written_axis(axis: Sequence[int]) -> str:
    """Return an axis as `b` or `[1 -1 0]`."""
    text = " ".join(map(str, axis))
    return {"1 0 0": "a", "0 1 0": "b", "0 0 1": "c"}.get(text, f"[{text}]")
