"""Batches of crystals with like cells: a model that fits its grid to the cell then wastes little of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import BatchSampler

from phaselearn.data.dataset import EpochSampler, Key

BATCHINGS = ("random", "cell")
_STEP = 1.5  # Å, edges that differ by less count as alike
_LARGE = 400.0  # Å³; a batch of larger cells holds fewer, so that its work and memory stay the same


class CellBatchSampler(BatchSampler):
    """Cut a shuffled epoch into batches of like cells, share them out over processes and shuffle them.

    Every crystal is in one batch of an epoch; which others are beside it changes from epoch to epoch.

    Args:
        sampler: of the keys of an epoch, all of them.
        batch_size: crystals in a batch at most; of cells above 400 Å³ so many as fill `batch_size` times that.
        lattice: (n, 3, 3) cells of the data set, in Å.
        seed: of the order of the batches.
        num_replicas, rank: processes, and which of them this is; each gets as many batches.
    """

    def __init__(
        self,
        sampler: EpochSampler,
        batch_size: int,
        lattice: np.ndarray,
        seed: int,
        num_replicas: int = 1,
        rank: int = 0,
    ) -> None:
        super().__init__(sampler, batch_size, drop_last=False)
        edges = np.sort(np.linalg.norm(lattice, axis=-1), axis=1)
        self._cells = np.ceil(edges / _STEP).astype(np.int64)
        # Cuts depend on the sorted cells alone, so that every epoch has as many batches.
        ordered = self._cells[np.lexsort(self._cells.T)]
        share = np.maximum(ordered.prod(1) * _STEP**3 / _LARGE, 1.0) / batch_size
        self._cuts = _cuts(share)
        self.seed = seed
        self.num_replicas = num_replicas
        self.rank = rank

    def __len__(self) -> int:
        return -(-(len(self._cuts) - 1) // self.num_replicas)

    def __iter__(self) -> Iterator[list[Key]]:
        keys = list(self.sampler)
        epoch = keys[0][1] if keys else 0
        order = np.lexsort(self._cells[[place for place, _ in keys]].T)
        shuffled = np.random.default_rng([self.seed, epoch]).permutation(len(self._cuts) - 1)
        # Repeated from the beginning until every process has as many.
        for number in np.resize(shuffled, len(self) * self.num_replicas)[self.rank :: self.num_replicas]:
            yield [keys[place] for place in order[self._cuts[number] : self._cuts[number + 1]]]


def _cuts(share: np.ndarray) -> list[int]:
    """Return where to cut a sequence so that no part's shares add up to more than 1, single ones excepted."""
    cuts, filled = [0], 0.0
    for place, part in enumerate(share.tolist()):
        if filled + part > 1 + 1e-9 and place > cuts[-1]:
            cuts.append(place)
            filled = 0.0
        filled += part
    return [*cuts, len(share)]
