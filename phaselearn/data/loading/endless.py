"""Endless training: crystals are made on the fly and shared out over processes, none of them twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from phaselearn.data.batch import Batch, crystal_of, crystals_of_batch, select
from phaselearn.data.build.write_pairs import compute_pairs
from phaselearn.data.loading.loader import loader_options
from phaselearn.data.pair_maps import pad_atoms, pad_displacements
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.preparation.preparation import Preparation
from phaselearn.data.screening import screen
from phaselearn.data.sphere_pairs import boxes_of, compute_lists
from phaselearn.data.split import split_of
from phaselearn.data.structures import Crystal, EndlessSource, Source
from phaselearn.errors import UserError

# A crystal that may not train is replaced by the one with this added to its number; no stream is so long.
_LANE = 1 << 40


@dataclass(frozen=True)
class TrainingStream:
    """The crystals of a source without end that may train.

    Attributes:
        source: makes a crystal of any number.
        longest_edge: crystals with a longer cell edge (Å) are passed over.
        held_out: structure types of validation and test, which stay unseen; formulas of validation and test are passed
            over, too.
        scattering: a name in `SCATTERING`; crystals with elements that scatter in an unknown way are passed over.
    """

    source: EndlessSource
    longest_edge: float
    held_out: frozenset[str]
    scattering: str

    def crystal(self, place: int) -> Crystal:
        """Return the crystal at a place of the stream; its formula trains and its structure type is not held out."""
        while True:
            crystal = self.source.crystal(place)
            if (
                split_of(crystal.formula) == "train"
                and crystal.prototype not in self.held_out
                and screen([crystal], self.longest_edge, scattering=self.scattering) == [None]
            ):
                return crystal
            place += _LANE


@dataclass(eq=False, kw_only=True)
class EndlessPairs(IterableDataset[Batch]):
    """Batches of fresh pairs, as `PairDataset` gives them.

    Training crystal k depends on the stream and k alone, and batch b begins with crystal b · `batch_size`; each epoch
    continues where the last one ended. Batches are dealt to processes and workers in turn. So all processes together
    give the batches of a single one, whose order does not depend on its number of workers.

    Attributes:
        stream: the crystals.
        definition: definition of the pairs.
        preparation: the preparation of a batch.
        crystals: number of crystals per epoch, rounded up to whole batches, as many for each process.
        batch_size: number of crystals in a batch.
        num_replicas: number of processes that train together.
        rank: number of this process among them, from 0.
        needs: names of the parts that a batch holds; None for all.
    """

    stream: TrainingStream
    definition: PairDefinition
    preparation: Preparation
    crystals: int
    batch_size: int
    num_replicas: int = 1
    rank: int = 0
    needs: frozenset[str] | None = None

    def __post_init__(self) -> None:
        # In shared memory, so that workers that live on see the next epoch.
        self._begin = torch.zeros(2, dtype=torch.int64).share_memory_()

    def begin(self, epoch: int, batch: int = 0) -> None:
        """Choose the epoch of the next iteration, in all workers, and the first batch of it."""
        self._begin[0], self._begin[1] = epoch, batch

    def __len__(self) -> int:
        """Return the number of batches of an epoch in this process."""
        return -(-self.crystals // (self.batch_size * self.num_replicas))

    def __iter__(self) -> Iterator[Batch]:
        epoch, first = self._begin.tolist()
        worker = get_worker_info()
        mine = range(first, len(self)) if worker is None else range(first + worker.id, len(self), worker.num_workers)
        for turn in mine:
            yield self._batch(epoch, turn * self.num_replicas + self.rank)

    def _batch(self, epoch: int, number: int) -> Batch:
        first = (epoch * len(self) * self.num_replicas + number) * self.batch_size
        places = range(first, first + self.batch_size)
        crystals = [self.stream.crystal(place) for place in places]
        lattice, numbers, positions = pad_atoms(crystals)
        batch = crystals_of_batch(
            lattice=lattice,
            atoms=(numbers, positions),
            prototype_seen=torch.ones(len(crystals), dtype=torch.bool),
            row=torch.tensor(places),
            u_iso=pad_displacements(crystals) if self.preparation.observation.needs_atoms else None,
        )
        return select(self._prepared(crystals, batch, epoch), self.needs)

    def _prepared(self, crystals: Sequence[Crystal], batch: Batch, epoch: int) -> Batch:
        """Return the batch of some crystals, with their pairs, prepared for an epoch."""
        epochs = [epoch] * len(crystals)
        if self.definition.layout == "sphere":
            ideal = [
                crystal_of(batch, row)
                | boxes_of(
                    crystal.lattice,
                    self.definition.sphere(crystal.lattice),
                    *compute_lists(crystal, self.definition),
                )
                for row, crystal in enumerate(crystals)
            ]
            return self.preparation.together(ideal, epochs)
        intensity, density = (torch.from_numpy(values) for values in compute_pairs(crystals, self.definition))
        return self.preparation(batch | Batch(intensity=intensity, density=density), epochs)


class EndlessLoader(DataLoader[Batch]):
    """A loader that begins at the first batch of an epoch, or at the batch before which a run was stopped.

    Args:
        pairs: the batches.
        epoch: function that returns the epoch; it is called in the main process when an iteration begins.
        num_workers: number of loader processes.
    """

    dataset: EndlessPairs

    def __init__(self, pairs: EndlessPairs, epoch: Callable[[], int], num_workers: int) -> None:
        super().__init__(pairs, batch_size=None, **loader_options(num_workers))
        self._epoch = epoch
        self._first = self._yielded = 0

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # torch names the class of its own iterator
        self._yielded, self._first = self._first, 0
        self.dataset.begin(self._epoch(), self._yielded)
        for batch in super().__iter__():
            self._yielded += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return how far the epoch is, for Lightning's checkpoints."""
        return {"batch": self._yielded, "batches": len(self)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue with the next batch of an epoch within which training was stopped."""
        self._first = state["batch"] if state["batch"] < state["batches"] else 0


def endless_source(crystals: int, source: Source | None, batching: str) -> EndlessSource:
    """Return a source that can feed training without end; it is checked before a store is built, which may take long.

    Args:
        crystals: number of crystals per epoch, `data.endless`.
        source: source of the crystals.
        batching: `data.batching`.

    Raises:
        UserError: the source ends, or batches of similar cells are asked for, which need all crystals at once.
    """
    if not isinstance(source, EndlessSource):
        raise UserError(
            f"data.endless={crystals} needs a source without end, which {type(source).__name__} is not: e.g. "
            f"`phaselearn train source=synthetic data.endless={crystals}`"
        )
    if batching != "random":
        raise UserError(
            f"data.batching={batching} sorts all training crystals, and with data.endless={crystals} they are never "
            "all there: add data.batching=random"
        )
    return source
