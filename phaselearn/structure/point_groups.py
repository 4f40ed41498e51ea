"""Point groups of a lattice, as lists of whole-number rotations, and their subgroups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Members = frozenset[int]  # numbers of rotations


@dataclass(frozen=True, eq=False)
class PointGroup:
    """All rotations of a point group and the table of their products.

    Attributes:
        rotations: (R, 3, 3) whole numbers; the identity is the first.
    """

    rotations: NDArray[np.int64]

    @classmethod
    def with_inversion(cls, rotations: NDArray[np.integer]) -> PointGroup:
        """Return the group of rotations (R, 3, 3) and their products with the inversion."""
        both = np.concatenate((rotations, -rotations)).astype(np.int64)
        unique = np.unique(both.reshape(-1, 9), axis=0).reshape(-1, 3, 3)
        is_other = (unique != np.eye(3, dtype=int)).any((1, 2))
        return cls(unique[np.lexsort((np.linalg.det(unique) < 0, is_other))])

    @cached_property
    def table(self) -> NDArray[np.intp]:
        """(R, R) numbers of the products of two rotations, the second applied first."""
        number = {rotation.tobytes(): place for place, rotation in enumerate(self.rotations)}
        products = np.einsum("aij,bjk->abik", self.rotations, self.rotations)
        return np.array([[number[product.tobytes()] for product in row] for row in products])

    def generated(self, members: Iterable[int]) -> Members:
        """Return the smallest subgroup with some rotations."""
        group = np.unique([0, *members])
        while True:
            larger = np.unique(self.table[np.ix_(group, group)])
            if len(larger) == len(group):
                return frozenset(group.tolist())
            group = larger

    def subgroups(self, allowed: Iterable[int]) -> Iterator[Members]:
        """Yield every subgroup that consists of allowed rotations, the trivial one first."""
        allowed = frozenset(allowed) | {0}
        found = {self.generated(())}
        waiting = list(found)
        while waiting:
            group = waiting.pop()
            yield group
            for member in allowed - group:
                larger = self.generated((*group, member))
                if larger <= allowed and larger not in found:
                    found.add(larger)
                    waiting.append(larger)

    def generators(self, members: Members, best_first: Iterable[int]) -> list[int]:
        """Return rotations that generate a subgroup, taken from the front of a list of all rotations."""
        chosen: list[int] = []
        group = self.generated(())
        for member in best_first:
            if member in members and member not in group:
                chosen.append(member)
                group = self.generated((*group, member))
        return chosen
