"""Settings of the loaders: batches, processes, and whether pairs come from memory or from the store."""

from __future__ import annotations

from dataclasses import dataclass

from phaselearn.data.loading.dataset import PairDataset
from phaselearn.data.loading.free_memory import free_memory
from phaselearn.data.loading.loader import PairLoader, share_of_processes
from phaselearn.data.loading.sampler import BATCHINGS, EpochBatches
from phaselearn.data.processes import worker_context
from phaselearn.errors import UserError, check_whole, choose

CACHES = ("auto", "ram", "none")


@dataclass(frozen=True, kw_only=True)
class Loading:
    """Settings of the loaders, which make a loader of a data set; the defaults are those of conf/data/_base.yaml.

    Attributes:
        batch_size: number of crystals in a batch.
        batching: `random`, or `cell` for training batches of crystals with similar cells. Other batches have similar
            cells wherever their boxes depend on the crystals.
        num_workers: number of loader processes; 0 to load in the main process.
        cache: `ram` holds the pairs in memory, `none` streams them from the store, `auto` decides by `cache_limit`.
        cache_limit: share of the free memory that the pairs of a split may take under `auto`.
        shuffle_buffer: about this many crystals are shuffled together while they are streamed; from memory, all are.

    Raises:
        UserError: a setting is not allowed.
    """

    batch_size: int = 32
    batching: str = "random"
    num_workers: int = 0
    cache: str = "auto"
    cache_limit: float = 0.25
    shuffle_buffer: int = 2048

    def __post_init__(self) -> None:
        choose("data.batching", self.batching, BATCHINGS, command="phaselearn train")
        choose("data.loading.cache", self.cache, CACHES, command="phaselearn train")
        check_whole("data.batch_size", self.batch_size, least=1, example=32)
        check_whole("data.loading.num_workers", self.num_workers, least=0, example=2)
        if not 0 <= self.cache_limit <= 1:
            raise UserError(
                f"data.loading.cache_limit={self.cache_limit}: a share of the memory, from 0 to 1, is needed, e.g. "
                "data.loading.cache_limit=0.25"
            )
        if self.shuffle_buffer < self.batch_size:
            raise UserError(
                f"data.loading.shuffle_buffer={self.shuffle_buffer} holds no batch of {self.batch_size} crystals: at "
                "least data.batch_size is needed, e.g. `phaselearn train data.loading.shuffle_buffer=4096`"
            )

    @property
    def held(self) -> int:
        """Number of pairs that a process keeps, encoded, of the shards that it is reading."""
        return 2 * self.shuffle_buffer

    def fits_memory(self, size: int) -> bool:
        """Return whether pairs of so many bytes are to be held in memory."""
        return self.cache == "ram" or (self.cache == "auto" and size < self.cache_limit * free_memory())

    def _by_cell(self, dataset: PairDataset, seed: int | None) -> bool:
        if seed is not None:
            return self.batching == "cell"
        # A box for all of a batch is the smaller, the more alike they are.
        return dataset.has_own_boxes

    def loader(self, dataset: PairDataset, seed: int | None, distributed: bool) -> PairLoader:
        """Return a loader of a data set.

        Args:
            dataset: the pairs.
            seed: seed of the order, for training; None for the same order in every epoch.
            distributed: whether the processes that train together share the crystals out.
        """
        batches = EpochBatches(
            dataset.shards,
            self.batch_size,
            seed,
            len(dataset) if dataset.in_memory else self.shuffle_buffer,
            streams=1 if dataset.in_memory else max(self.num_workers, 1),
            **share_of_processes(distributed),
            edges=dataset.edges() if self._by_cell(dataset, seed) else None,
        )
        context = worker_context() if self.num_workers > 0 and dataset.store.is_remote else None
        return PairLoader(dataset, batches, self.num_workers, context)
