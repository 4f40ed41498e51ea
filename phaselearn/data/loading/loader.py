"""The loader of pairs: it gives batches in the order of `EpochBatches`, and resumes an epoch that was stopped."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from phaselearn.data.batch import Batch
from phaselearn.data.loading.dataset import PairDataset
from phaselearn.data.loading.sampler import EpochBatches
from phaselearn.errors import UserError


class PairLoader(DataLoader[Batch]):
    """Yields whole batches of a data set.

    Lightning keeps the loader's state in checkpoints, so that a run that was stopped within an epoch continues with the
    next batch.

    Args:
        dataset: the pairs.
        batches: keys of the pairs in each batch, in order.
        num_workers: number of loader processes.
        context: multiprocessing context that starts them; None for the system's default.
    """

    dataset: PairDataset
    batch_sampler: EpochBatches

    def __init__(self, dataset: PairDataset, batches: EpochBatches, num_workers: int = 0, context: Any = None) -> None:
        super().__init__(dataset, batch_sampler=batches, multiprocessing_context=context, **loader_options(num_workers))
        self._yielded = 0

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # torch names the class of its own iterator
        # A generator, so that nothing happens before the first batch: Lightning sets the epoch after it calls iter().
        self._yielded = self.batch_sampler.start
        for batch in super().__iter__():
            self._yielded += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return how far the epoch is."""
        return {
            "epoch": self.batch_sampler.epoch,
            "batch": self._yielded,
            "batches": len(self.batch_sampler),
            "processes": self.batch_sampler.num_replicas,
            "streams": self.batch_sampler.streams,
        }

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue in the middle of an epoch; the number of workers may differ.

        Raises:
            UserError: the epoch had another number of batches or of processes.
        """
        if state["batch"] >= state["batches"]:
            return
        batches = self.batch_sampler
        if (state["batches"], state["processes"]) != (len(batches), batches.num_replicas):
            raise UserError(
                f"the run was stopped within an epoch of {state['batches']} batches on {state['processes']} processes, "
                f"and now has {len(batches)} on {batches.num_replicas}: continue with the same data, data.batch_size "
                f"and `trainer.devices={state['processes']}`"
            )
        batches.epoch, batches.start, batches.streams = state["epoch"], state["batch"], state["streams"]


def loader_options(num_workers: int) -> dict[str, Any]:
    """Return the options of torch's DataLoader that all loaders of whole batches share."""
    return {
        "num_workers": num_workers,
        "collate_fn": _as_is,
        "persistent_workers": num_workers > 0,
        "pin_memory": torch.cuda.is_available(),
        "worker_init_fn": _leave_interrupts_to_the_main_process,
    }


def share_of_processes(shared: bool = True) -> dict[str, int]:
    """Return the number of processes that train together and the rank of this one; 1 and 0 if nothing is shared out."""
    distributed = shared and torch.distributed.is_available() and torch.distributed.is_initialized()
    return {
        "num_replicas": torch.distributed.get_world_size() if distributed else 1,
        "rank": torch.distributed.get_rank() if distributed else 0,
    }


def _as_is(batch: Batch) -> Batch:
    """Collate keys that gave a whole batch already."""
    return batch


def _leave_interrupts_to_the_main_process(worker: int) -> None:
    # Ctrl-C goes to all processes of a terminal; the main process needs the workers until its step is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
