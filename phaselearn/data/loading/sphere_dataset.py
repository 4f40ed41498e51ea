"""Whole batches of pairs of the layout `sphere`: each crystal is prepared on its own box, then they share one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from phaselearn.crystal.layout import Shape
from phaselearn.crystal.sphere import Sphere
from phaselearn.data.batch import Batch, crystal_of, select
from phaselearn.data.loading.dataset import Key, PairDataset
from phaselearn.data.sphere_pairs import boxes_of
from phaselearn.data.store.pair_store import PairStore

_ROWS_AT_ONCE = 256  # whose padded lists are in memory together
_Lists = tuple[Sphere, np.ndarray, np.ndarray]  # the reflections, with their intensities and factors of the density


class SphereDataset(PairDataset):
    """Pairs at some rows of a store of the layout `sphere`; see `PairDataset`.

    In memory are lists of reflections, from which boxes are made for each batch.
    """

    _held_lists: list[_Lists] | None = None

    def _hold(self) -> None:
        everything = np.arange(len(self))
        self._held_lists = [
            lists
            for start in range(0, len(self), _ROWS_AT_ONCE)
            for lists in self._lists(everything[start : start + _ROWS_AT_ONCE])
        ]
        self._readers = {}

    @property
    def in_memory(self) -> bool:
        """Whether the lists are held in memory."""
        return self._held_lists is not None

    def edges(self) -> np.ndarray:
        """Return the lengths (k, 3) of the cells' edges in Å, in the order of the axes of the boxes."""
        return np.linalg.norm(self.lattices(), axis=-1)

    def box(self, place: int) -> Shape:
        """Return n₁, n₂, n₃ of the box that a crystal has alone."""
        return self.store.sphere(int(self.rows[place])).shape

    @property
    def has_own_boxes(self) -> bool:
        """Whether the box of a batch depends on its crystals."""
        return True

    def _lists(self, places: np.ndarray) -> list[_Lists]:
        if self._held_lists is not None:
            return [self._held_lists[place] for place in places.tolist()]
        padded = self._pair_arrays(places)
        spheres = [self.store.sphere(row) for row in self.rows[places].tolist()]
        # Copies: a view would keep the zeros in memory.
        return [
            (sphere, intensity[: len(sphere)].copy(), factors[: len(sphere)].copy())
            for sphere, intensity, factors in zip(spheres, *padded, strict=True)
        ]

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        """Return the batch of (place, epoch) keys."""
        places = np.array([place for place, _ in keys], dtype=np.int64)
        crystals = self._crystals(places)
        ideal = [
            crystal_of(crystals, row) | boxes_of(lattice, *lists)
            for row, (lattice, lists) in enumerate(zip(self.lattices()[places], self._lists(places), strict=True))
        ]
        return select(self.preparation.together(ideal, [epoch for _, epoch in keys]), self._parts)


def dataset_class(store: PairStore) -> type[PairDataset]:
    """Return the class of data sets that the layout of a store needs."""
    return SphereDataset if store.definition.layout == "sphere" else PairDataset
