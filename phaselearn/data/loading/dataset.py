"""Whole batches of pairs from a store: measured, augmented and transformed, reproducible crystal by crystal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from phaselearn.data.batch import Batch, ideal_batch, map_batch, select
from phaselearn.data.preparation.augmentation import Augmentation
from phaselearn.data.preparation.observation import Observation
from phaselearn.data.preparation.preparation import Preparation
from phaselearn.data.store.files import PAIR_ARRAYS
from phaselearn.data.store.pair_reader import ShardReader
from phaselearn.data.store.pair_store import PairStore

# A batch names its crystals by (place in the data set, epoch): what is drawn for a crystal depends on these and
# the seed alone, so workers, restarts and batch sizes change nothing.
Key = tuple[int, int]


class PairDataset(Dataset):
    """Pairs at some rows of a store.

    `dataset[[(place, epoch), …]]` gives a `Batch`.

    Args:
        store: an open store.
        rows: (k,) rows that the data set consists of.
        observation: what is measured.
        augmentation: what is changed at random.
        input_transform, input_scaling, target_scaling: see `phaselearn.data.preparation.transforms`.
        seen: prototypes of the training crystals.
        seed: of everything drawn here.
        in_memory: hold the pairs in memory and not read them again.
        held: pairs that a process keeps, encoded, of the shards that it is reading, at most.

    Attributes:
        needs: names of what a batch holds; None for everything.
    """

    def __init__(
        self,
        store: PairStore,
        rows: np.ndarray,
        observation: Observation,
        augmentation: Augmentation,
        input_transform: str,
        input_scaling: str,
        target_scaling: str,
        seen: frozenset[str],
        seed: int,
        in_memory: bool,
        held: int,
    ) -> None:
        self.needs: frozenset[str] | None = None
        self.store = store
        self.rows = rows
        self.preparation = Preparation(
            observation, augmentation, input_transform, input_scaling, target_scaling, store.definition.layout, seed
        )
        self._held = held
        self._readers: dict[str, ShardReader] = {}
        self._most_atoms = int(store.atom_counts(rows).max(initial=0))
        self._seen = torch.tensor([prototype in seen for prototype in store.prototypes[rows]], dtype=torch.bool)
        self._cache: Batch | None = None
        if in_memory:
            everything = np.arange(len(rows))
            raw = self._read(everything)
            # Where nothing is random a pair is prepared once, not once an epoch.
            self._cache = raw if self.preparation.is_random else self.preparation(raw, [0] * len(rows))

    @property
    def in_memory(self) -> bool:
        """Whether the pairs are held in memory."""
        return self._cache is not None

    @property
    def shards(self) -> np.ndarray:
        """(n,) the shard that each place is read from; where pairs are in memory, each is one of its own."""
        return np.arange(len(self)) if self.in_memory else self.rows // self.store.pairs_a_shard

    def __len__(self) -> int:
        return len(self.rows)

    def __getstate__(self) -> dict[str, Any]:
        # What a process reads is its own.
        return self.__dict__ | {"_readers": {}}

    def _read(self, places: np.ndarray) -> Batch:
        """Return what the store holds of some places of the data set."""
        index = torch.from_numpy(places)
        if not self._readers:
            wanted = np.sort(self.rows)
            self._readers = {name: self.store.reader(name, wanted, self._held) for name in PAIR_ARRAYS}
        rows = self.rows[places]
        pairs = {name: torch.from_numpy(reader.read(rows)) for name, reader in self._readers.items()}
        atoms = None
        if self.preparation.augmentation.is_random or self.needs is None or self.needs & {"numbers", "positions"}:
            # Padded batch by batch: the largest crystal would set what each of a million takes in memory.
            numbers, positions = self.store.atoms(rows, self._most_atoms)
            atoms = torch.from_numpy(numbers), torch.from_numpy(positions)
        return ideal_batch(
            **pairs,
            lattice=torch.from_numpy(self.store.lattice[rows]),
            atoms=atoms,
            prototype_seen=self._seen[index],
            row=torch.from_numpy(rows),
        )

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        places = np.array([place for place, _ in keys], dtype=np.int64)
        if self._cache is None:
            batch = self._read(places)
        else:
            index = torch.from_numpy(places)
            wanted = self._cache if self.preparation.is_random else select(self._cache, self.needs)
            batch = map_batch(wanted, lambda values: _take(values, index))
            if not self.preparation.is_random:
                return batch
        return select(self.preparation(batch, [epoch for _, epoch in keys]), self.needs)

    def __getitem__(self, key: Key) -> Batch:
        return map_batch(self.__getitems__([key]), lambda values: values[0])


def _take(values: Tensor, index: Tensor) -> Tensor:
    # A mask that is the same for all crystals is one row expanded: gathering it would copy it for each.
    if values.ndim > 1 and values.stride(0) == 0:
        return values[:1].expand(len(index), *values.shape[1:])
    return values.index_select(0, index)
