"""Whole batches of pairs from a store: measured, augmented and transformed, reproducible crystal by crystal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler

from phaselearn.data.augmentation import Augmentation
from phaselearn.data.observation import Observation
from phaselearn.data.preparation import Preparation
from phaselearn.data.store import PairStore

# A batch names its crystals by (place in the data set, epoch): what is drawn for a crystal depends on these and
# the seed alone, so workers, restarts and batch sizes change nothing.
Key = tuple[int, int]


class EpochSampler(DistributedSampler):
    """Yield (place, epoch) keys; shuffled by seed and epoch, shared out over processes."""

    def __iter__(self) -> Iterator[Key]:
        return ((place, self.epoch if self.shuffle else 0) for place in super().__iter__())


class PairDataset(Dataset):
    """Pairs at some rows of a store.

    `dataset[[(place, epoch), …]]` gives a batch as a dictionary of tensors (see `PairDataModule`).

    Args:
        store: an open store.
        rows: (k,) rows that the data set consists of.
        observation: what is measured.
        augmentation: what is changed at random.
        input_transform, input_scaling, target_scaling: see `phaselearn.data.transforms`.
        seen: prototypes of the training crystals.
        seed: of everything drawn here.
        in_memory: hold the pairs in memory and not read them again.

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
    ) -> None:
        self.needs: frozenset[str] | None = None
        self.store = store
        self.rows = rows
        self.preparation = Preparation(
            observation, augmentation, input_transform, input_scaling, target_scaling, store.definition.layout, seed
        )
        self._lattice = torch.from_numpy(store.lattice[rows])
        self._numbers, self._positions = (torch.from_numpy(values) for values in store.atoms(rows))
        self._seen = torch.tensor([prototype in seen for prototype in store.prototypes[rows]], dtype=torch.bool)
        self._cache: dict[str, Tensor] | None = None
        if in_memory:
            everything = np.arange(len(rows))
            raw = self._read(everything)
            # Where nothing is random a pair is prepared once, not once an epoch.
            self._cache = raw if self.preparation.is_random else self.preparation(raw, [0] * len(rows))

    def __len__(self) -> int:
        return len(self.rows)

    def _read(self, places: np.ndarray) -> dict[str, Tensor]:
        """Return what the store holds of some places of the data set."""
        index = torch.from_numpy(places)
        batch = {
            name: torch.from_numpy(self.store.read_pairs(name, self.rows[places])) for name in ("intensity", "density")
        }
        return batch | {
            "lattice": self._lattice[index].float(),
            "numbers": self._numbers[index],
            "positions": self._positions[index],
            "prototype_seen": self._seen[index],
            "row": torch.from_numpy(self.rows[places]),
        }

    def __getitems__(self, keys: Sequence[Key]) -> dict[str, Tensor]:
        places = np.array([place for place, _ in keys], dtype=np.int64)
        if self._cache is None:
            # In the store's order neighbouring rows are read together.
            order = np.argsort(places)
            batch = self._read(places[order])
            back = torch.from_numpy(np.argsort(order))
            batch = {name: values[back] for name, values in batch.items()}
        else:
            index = torch.from_numpy(places)
            wanted = self._cache if self.preparation.is_random else self._needed(self._cache)
            batch = {name: _take(values, index) for name, values in wanted.items()}
            if not self.preparation.is_random:
                return batch
        return self._needed(self.preparation(batch, [epoch for _, epoch in keys]))

    def _needed(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return batch if self.needs is None else {name: batch[name] for name in batch if name in self.needs}

    def __getitem__(self, key: Key) -> dict[str, Tensor]:
        return {name: values[0] for name, values in self.__getitems__([key]).items()}


def _take(values: Tensor, index: Tensor) -> Tensor:
    # A mask that is the same for all crystals is one row expanded: gathering it would copy it for each.
    if values.ndim > 1 and values.stride(0) == 0:
        return values[:1].expand(len(index), *values.shape[1:])
    return values.index_select(0, index)


def as_is(batch: dict[str, Tensor]) -> dict[str, Any]:
    """The collate function of data sets that give whole batches."""
    return batch
