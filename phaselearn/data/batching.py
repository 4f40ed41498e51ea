"""Batches of crystals with like cells: a model that fits its grid to the cell then wastes little of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import BatchSampler

from phaselearn.data.dataset import EpochSampler, Key

BATCHINGS = ("random", "cell")
_STEP = 1.5  # Å, edges that differ by less count as alike


class CellBatchSampler(BatchSampler):
    """Cut a shuffled epoch into batches of like cells and shuffle the batches.

    Every crystal is in one batch of an epoch; which others are beside it changes from epoch to epoch.

    Args:
        sampler: of an epoch's keys.
        batch_size: crystals in a batch; the last of an epoch may hold fewer.
        lattice: (n, 3, 3) cells of the data set, in Å.
        seed: of the order of the batches.
    """

    def __init__(self, sampler: EpochSampler, batch_size: int, lattice: np.ndarray, seed: int) -> None:
        super().__init__(sampler, batch_size, drop_last=False)
        edges = np.sort(np.linalg.norm(lattice, axis=-1), axis=1)
        self._cells = np.ceil(edges / _STEP).astype(np.int64)
        self.seed = seed

    def __iter__(self) -> Iterator[list[Key]]:
        keys = list(self.sampler)
        cells = self._cells[[place for place, _ in keys]]
        order = np.lexsort(cells.T)
        batches = [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        shuffled = np.random.default_rng([self.seed, keys[0][1] if keys else 0]).permutation(len(batches))
        for number in shuffled:
            yield [keys[place] for place in batches[number]]
