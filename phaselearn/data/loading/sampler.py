"""The batches of an epoch: every crystal once, in an order in which a store can be read shard by shard.

The crystals of an epoch are put in a row: shards in random order, and the crystals of a shard in random order. The row
is cut into stretches, one for each process and each of its loader workers, so that each of them reads shards of its
own; a shard that is cut in two is read by both neighbours. A stretch is cut into buffers of some shards, within which
crystals are shuffled, and a buffer into batches. If the pairs are in memory, each crystal counts as a shard, which is a
full shuffle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, pairwise, zip_longest

import numpy as np
from torch.utils.data import Sampler

from phaselearn.data.loading.dataset import Key
from phaselearn.errors import UserError

BATCHINGS = ("random", "cell")
_STEP = 1.5  # Å, edges that differ by less count as alike
_LARGE = 400.0  # Å³; a batch of larger cells holds fewer, so that its work and memory stay the same


class EpochBatches(Sampler[list[Key]]):
    """Batches of (place, epoch) keys, of one process, from some batch of an epoch on.

    The batches depend on the seed, the epoch and the numbers of processes and streams alone. All processes have the
    same number of batches, and no crystal is repeated or left out for that: batches may differ by one crystal in size.

    Args:
        shards: shard (n,) of each place of the data set.
        batch_size: largest number of crystals in a batch, except that a batch may hold two instead of one for the sake
            of equal numbers of batches. With `edges`, a crystal above 400 Å³ counts as its volume over 400 Å³.
        seed: seed of the order; None for the same batches in every epoch, of neighbouring places or, with `edges`, of
            similar cells. The batches themselves are in random order, so that the first ones are a fair sample.
        buffer: about this many crystals are shuffled together by a process; its streams share them.
        streams: number of streams, one for each loader worker: batches i, i + streams, i + 2 · streams, … read shards
            of their own.
        num_replicas: number of processes that train together.
        rank: number of this process among them, from 0.
        edges: lengths (n, 3) of the cells' edges in Å, for batches of crystals with similar cells; None for random
            batches. Where boxes are as large as the crystals need, the edges have the order of the boxes' axes.

    Raises:
        UserError: there are fewer crystals than processes.

    Attributes:
        epoch: the epoch that is yielded.
        start: first batch of the next iteration; later ones begin with batch 0.
        num_replicas: number of processes.
        streams: number of streams of this epoch; an epoch that another run began keeps that run's number.
    """

    def __init__(
        self,
        shards: np.ndarray,
        batch_size: int,
        seed: int | None,
        buffer: int,
        streams: int = 1,
        num_replicas: int = 1,
        rank: int = 0,
        edges: np.ndarray | None = None,
    ) -> None:
        if 0 < len(shards) < num_replicas:
            raise UserError(
                f"{len(shards)} crystals cannot be shared out over {num_replicas} processes: take fewer, "
                f"`trainer.devices={len(shards)}`, or more crystals, e.g. `phaselearn train source.count=4000`"
            )
        self._shards = np.unique(shards, return_inverse=True)[1]
        self._seed = seed
        self._buffer = buffer
        self._own_streams = streams
        self._rank = rank
        self._cells = None if edges is None else np.ceil(edges / _STEP).astype(np.int64)
        self._weights = (
            np.ones(len(shards)) if self._cells is None else np.maximum(self._cells.prod(1) * _STEP**3 / _LARGE, 1.0)
        )
        # Enough to hold all crystals, and so few that none is empty.
        needed = int(np.ceil(self._weights.sum() / (batch_size * num_replicas) - 1e-9))
        self._length = min(needed, len(shards) // num_replicas)
        self.num_replicas = num_replicas
        self.streams = streams
        self.epoch = 0
        self.start = 0

    @property
    def sampler(self) -> EpochBatches:
        """This object: Lightning tells the epoch to the sampler of a batch sampler."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Turn to the first batch of an epoch, unless this epoch is under way."""
        if epoch != self.epoch:
            self.epoch, self.start, self.streams = epoch, 0, self._own_streams

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[list[Key]]:
        start, self.start = self.start, 0
        epoch = 0 if self._seed is None else self.epoch
        for places in islice(self._batches(), start, None):
            yield [(place, epoch) for place in places.tolist()]

    def _batches(self) -> Iterator[np.ndarray]:
        """Yield the places of each batch of this process."""
        order = np.arange(len(self._shards)) if self._cells is None else np.lexsort(self._cells.T)
        if self._seed is not None:
            generator = np.random.default_rng([self._seed, self.epoch])
            turn = generator.permutation(self._shards.max(initial=-1) + 1)
            order = np.lexsort((generator.random(len(order)), turn[self._shards]))
        counts = [len(range(stream, self._length, self.streams)) for stream in range(self.streams)]
        cuts = _cut(self._weights[order], counts * self.num_replicas)[self._rank * self.streams :]
        streams = [
            self._stream(order[cuts[stream] : cuts[stream + 1]], count, stream) for stream, count in enumerate(counts)
        ]
        for batches in zip_longest(*streams):
            yield from (places for places in batches if places is not None)

    def _stream(self, places: np.ndarray, count: int, stream: int) -> Iterator[np.ndarray]:
        """Yield a stretch of the epoch as `count` batches, shuffled within buffers."""
        if self._seed is None:
            batches = list(_parts(places, _cut(self._weights[places], [1] * count)))
            # `trainer.limit_val_batches` takes the first ones, which must not be the smallest cells of all.
            yield from (batches[number] for number in np.random.default_rng(0).permutation(count))
            return
        # The 1 makes this seed differ from that of the order of the shards, since NumPy ignores zeros at the end.
        generator = np.random.default_rng([self._seed, self.epoch, 1, self._rank, stream])
        buffers = min(count, -(-len(places) * self.streams // self._buffer))
        shares = np.diff(np.arange(buffers + 1) * count // max(buffers, 1)).tolist()
        held_cuts = _cut(self._weights[places], shares)
        for held, share in zip(_parts(places, held_cuts), shares, strict=True):
            held = generator.permutation(held)
            if self._cells is not None:
                held = held[np.lexsort(self._cells[held].T)]
            batches = list(_parts(held, _cut(self._weights[held], [1] * share)))
            turn = range(share) if self._cells is None else generator.permutation(share)
            yield from (batches[number] for number in turn)


def _parts(values: np.ndarray, cuts: np.ndarray) -> Iterator[np.ndarray]:
    return (values[begin:end] for begin, end in pairwise(cuts))


def _cut(weights: np.ndarray, counts: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return where to cut a sequence into parts whose weights are proportional to their numbers of batches.

    A part has at least as many members as batches, since no batch may be empty.

    Args:
        weights: weights (n,) of the members.
        counts: numbers of batches (k,) in the parts; their sum is at most n.

    Returns:
        The cuts (k + 1,), from 0 to n.
    """
    filled = np.concatenate(([0.0], np.cumsum(weights)))
    ends = np.concatenate(([0], np.cumsum(counts)))
    total = max(int(ends[-1]), 1)
    cuts = np.searchsorted(filled, filled[-1] * ends / total, side="right") - 1
    cuts[-1] = len(weights)  # which rounding may have missed
    cuts = np.maximum.accumulate(np.maximum(cuts - ends, 0)) + ends
    return np.minimum(cuts, len(weights) - (ends[-1] - ends))
