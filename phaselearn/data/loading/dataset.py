"""Whole batches of pairs from a store: augmented, measured and transformed, reproducible crystal by crystal."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from phaselearn.crystal.layout import Shape
from phaselearn.data.batch import Batch, crystals_of_batch, map_batch, select
from phaselearn.data.preparation.preparation import Preparation
from phaselearn.data.store.files import PAIR_ARRAYS
from phaselearn.data.store.pair_reader import ShardReader
from phaselearn.data.store.pair_store import PairStore

# A batch names its crystals by (place in the data set, epoch). Random draws for a crystal depend on these and on the
# seed alone, so workers, restarts and batch sizes change nothing.
Key = tuple[int, int]


class PairDataset(Dataset[Batch]):
    """Pairs at some rows of a store.

    Args:
        store: an open store.
        rows: the rows (k,) of the data set in the store.
        preparation: the preparation of a batch.
        seen: structure types of the training crystals.
        in_memory: whether to hold the pairs in memory, so that they are read once.
        held: largest number of pairs that a process keeps, encoded, of the shards that it is reading.
    """

    def __init__(
        self,
        store: PairStore,
        rows: np.ndarray,
        preparation: Preparation,
        seen: frozenset[str],
        in_memory: bool,
        held: int,
    ) -> None:
        self.store = store
        self.rows = rows
        self.preparation = preparation
        self._parts: frozenset[str] | None = None
        self._held = held
        self._readers: dict[str, ShardReader] = {}
        self._pairs_a_shard = store.pairs_a_shard()
        self._most_atoms = int(store.atom_counts(rows).max(initial=0))
        self._seen = torch.tensor([prototype in seen for prototype in store.prototypes()[rows]], dtype=torch.bool)
        self._cache: Batch | None = None
        if in_memory:
            self._hold()

    def _hold(self) -> None:
        """Read all pairs into memory."""
        raw = self._read(np.arange(len(self)))
        # If nothing is random, a pair is prepared once and not in every epoch.
        self._cache = raw if self.preparation.is_random else self.preparation(raw, [0] * len(self))

    @property
    def in_memory(self) -> bool:
        """Whether the pairs are held in memory."""
        return self._cache is not None

    def with_parts(self, names: frozenset[str] | None) -> PairDataset:
        """Return the same data set with batches that hold the named parts alone; None for all.

        What is in memory is shared.
        """
        same = copy(self)
        same._parts, same._readers = names, {}
        return same

    def lattices(self) -> np.ndarray:
        """Return the lattices (k, 3, 3) of the crystals, float64 in Å."""
        return self.store.lattices()[self.rows]

    def edges(self) -> np.ndarray:
        """Return the lengths (k, 3) of the cells' edges in Å, the shortest first."""
        return np.sort(np.linalg.norm(self.lattices(), axis=-1), axis=1)

    def box(self, place: int) -> Shape:
        """Return n₁, n₂, n₃ of the box that a crystal has alone."""
        return self.store.definition.box()

    @property
    def has_own_boxes(self) -> bool:
        """Whether the box of a batch depends on its crystals."""
        return False

    @property
    def shards(self) -> np.ndarray:
        """The shard (k,) that each place is read from; in memory, every place is a shard of its own."""
        return np.arange(len(self)) if self.in_memory else self.rows // self._pairs_a_shard

    def __len__(self) -> int:
        return len(self.rows)

    def __getstate__(self) -> dict[str, Any]:
        # Each process opens readers of its own.
        return self.__dict__ | {"_readers": {}}

    def _open_readers(self) -> dict[str, ShardReader]:
        wanted = np.sort(self.rows)
        return {name: self.store.reader(name, wanted, self._held) for name in PAIR_ARRAYS}

    def _pair_arrays(self, places: np.ndarray) -> list[np.ndarray]:
        """Return the pair arrays, in the order of `PAIR_ARRAYS`, at some places of the data set."""
        if not self._readers:
            self._readers = self._open_readers()
        return [self._readers[name].read(self.rows[places]) for name in PAIR_ARRAYS]

    def _read(self, places: np.ndarray) -> Batch:
        """Return the ideal pairs at some places of the data set."""
        intensity, density = (torch.from_numpy(values) for values in self._pair_arrays(places))
        return self._crystals(places) | Batch(intensity=intensity, density=density)

    def _crystals(self, places: np.ndarray) -> Batch:
        """Return what a batch holds of the crystals at some places beside their pairs."""
        rows = self.rows[places]
        atoms = u_iso = None
        if self.preparation.observation.needs_atoms:
            known = self.store.displacements(rows, self._most_atoms)
            u_iso = None if known is None else torch.from_numpy(known)
        if self.preparation.needs_atoms or self._parts is None or self._parts & {"numbers", "positions"}:
            # Padded batch by batch: otherwise a million crystals would each take the memory of the largest.
            numbers, positions = self.store.atoms(rows, self._most_atoms)
            atoms = torch.from_numpy(numbers), torch.from_numpy(positions)
        return crystals_of_batch(
            lattice=torch.from_numpy(self.store.lattices()[rows]),
            atoms=atoms,
            prototype_seen=self._seen[torch.from_numpy(places)],
            row=torch.from_numpy(rows),
            u_iso=u_iso,
        )

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        """Return the batch of (place, epoch) keys."""
        places = np.array([place for place, _ in keys], dtype=np.int64)
        if self._cache is None:
            batch = self._read(places)
        else:
            index = torch.from_numpy(places)
            wanted = self._cache if self.preparation.is_random else select(self._cache, self._parts)
            batch = map_batch(wanted, lambda values: _take(values, index))
            if not self.preparation.is_random:
                return batch
        return select(self.preparation(batch, [epoch for _, epoch in keys]), self._parts)

    def __getitem__(self, key: Key) -> Batch:
        """Return the parts of one crystal, without the axis of the batch."""
        return map_batch(self.__getitems__([key]), lambda values: values[0])


def _take(values: Tensor, index: Tensor) -> Tensor:
    # A mask that all crystals share is one expanded row, which gathering would copy for each of them.
    if values.ndim > 1 and values.stride(0) == 0:
        return values[:1].expand(len(index), *values.shape[1:])
    return values.index_select(0, index)
