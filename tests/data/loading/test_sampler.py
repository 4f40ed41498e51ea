"""The order of an epoch: nothing twice, nothing missed, shard by shard, and from any batch on."""

from __future__ import annotations

import numpy as np
import pytest

from phaselearn.data.loading.sampler import EpochBatches
from phaselearn.errors import UserError

EDGES = np.random.default_rng(0).uniform(2.5, 14.0, size=(500, 3))
SHARDS = np.sort(np.random.default_rng(1).integers(0, 40, size=500))  # of uneven lengths


def epoch_batches(epoch: int = 0, shards: np.ndarray = SHARDS, **changes: object) -> EpochBatches:
    options = {"batch_size": 16, "seed": 3, "buffer": 100, "streams": 1, "num_replicas": 1, "rank": 0, "edges": None}
    batches = EpochBatches(shards, **(options | changes))
    batches.set_epoch(epoch)
    return batches


def sampled(epoch: int = 0, **changes: object) -> list[list[int]]:
    batches = epoch_batches(epoch, **changes)
    drawn = list(batches)
    assert len(drawn) == len(batches)
    assert all(key[1] == epoch for keys in drawn for key in keys)
    return [[place for place, _ in keys] for keys in drawn]


@pytest.mark.parametrize("edges", [None, EDGES], ids=["random", "cell"])
@pytest.mark.parametrize("streams", [1, 2, 3, 50])
@pytest.mark.parametrize("processes", [1, 2, 3, 7])
@pytest.mark.parametrize("batch_size", [1, 16, 499])
def test_nothing_is_twice_or_missed_and_processes_have_as_many_batches(
    batch_size: int, processes: int, streams: int, edges: np.ndarray | None
) -> None:
    options = {"batch_size": batch_size, "num_replicas": processes, "streams": streams, "edges": edges}
    shares = [sampled(1, rank=rank, **options) for rank in range(processes)]
    assert sorted(place for share in shares for places in share for place in places) == list(range(500))
    sizes = [len(places) for share in shares for places in share]
    assert len({len(share) for share in shares}) == 1
    assert min(sizes) >= 1
    if edges is None:
        assert max(sizes) <= max(batch_size, 2)
        totals = [sum(map(len, share)) for share in shares]
        assert max(totals) - min(totals) <= 1


def test_processes_without_a_crystal_are_refused() -> None:
    with pytest.raises(UserError, match=r"trainer\.devices=2"):
        epoch_batches(shards=np.zeros(2, int), num_replicas=3)
    assert sampled(shards=np.zeros(0, int), num_replicas=3) == []


def test_epochs_differ_in_order_and_company_and_are_reproducible() -> None:
    for edges in (None, EDGES):
        first, second = sampled(0, edges=edges), sampled(1, edges=edges)
        assert {frozenset(places) for places in first} != {frozenset(places) for places in second}
        assert sampled(1, edges=edges) == second
        assert sampled(1, edges=edges, seed=4) != second
        assert len(first) == len(second)


def test_each_stream_of_each_process_reads_shards_of_its_own() -> None:
    processes, streams = 2, 3
    readers: dict[int, list[tuple[int, int]]] = {}
    for rank in range(processes):
        drawn = sampled(num_replicas=processes, rank=rank, streams=streams)
        for stream in range(streams):
            places = [place for places in drawn[stream::streams] for place in places]
            for shard in np.unique(SHARDS[places]).tolist():
                readers.setdefault(shard, []).append((rank, stream))
    assert len(readers) == len(np.unique(SHARDS))
    # Only where the row of shards is cut is one read by both neighbours.
    assert sum(len(of_shard) - 1 for of_shard in readers.values()) <= processes * streams - 1


def test_few_shards_are_read_at_a_time_and_each_once() -> None:
    last_seen = {}
    order = [SHARDS[place] for places in sampled(streams=1) for place in places]
    for position, shard in enumerate(order):
        last_seen.setdefault(shard, []).append(position)
    spans = [positions[-1] - positions[0] for positions in last_seen.values()]
    # A shard lies in one buffer of 100 crystals, or in two that follow each other.
    assert max(spans) < 2 * 100 + 16
    assert len(set(order[:50])) > 3  # and is mixed with others


def test_without_shards_the_shuffle_is_that_of_all() -> None:
    order = np.array([place for places in sampled(shards=np.arange(500), buffer=500) for place in places])
    # Of a random order of n, neighbours are n/3 apart on average.
    assert np.abs(np.diff(order)).mean() == pytest.approx(500 / 3, rel=0.15)


def test_without_a_seed_every_epoch_has_the_same_batches_of_neighbouring_places() -> None:
    batches = list(epoch_batches(5, seed=None))
    assert sorted(key for keys in batches for key in keys) == [(place, 0) for place in range(500)]
    assert all(np.diff([place for place, _ in keys]).tolist() == [1] * (len(keys) - 1) for keys in batches)
    assert batches == list(epoch_batches(6, seed=None))


@pytest.mark.parametrize("edges", [None, EDGES], ids=["random", "cell"])
def test_without_a_seed_the_first_batches_are_a_fair_sample(edges: np.ndarray | None) -> None:
    """As `trainer.limit_val_batches` takes them: neither the first places nor the smallest cells."""
    batches = list(epoch_batches(0, seed=None, edges=edges, batch_size=4))
    first = [place for keys in batches[: len(batches) // 4] for place, _ in keys]
    ranks = np.arange(500) if edges is None else EDGES.prod(1).argsort().argsort()
    assert 150 < np.median(ranks[first]) < 350


@pytest.mark.parametrize("streams", [1, 3])
def test_an_epoch_goes_on_from_any_batch(streams: int) -> None:
    whole = sampled(2, streams=streams)
    for start in (0, 1, 7, len(whole) - 1):
        batches = epoch_batches(streams=streams)
        batches.epoch, batches.start = 2, start
        batches.set_epoch(2)
        assert [[place for place, _ in keys] for keys in batches] == whole[start:]
        assert [[place for place, _ in keys] for keys in batches] == whole  # once more, from its beginning
        batches.start = start
        batches.set_epoch(3)
        assert len(list(batches)) == len(whole)


def test_cells_of_a_batch_are_alike_and_large_ones_come_in_fewer() -> None:
    spread, volumes, sizes = [], [], []
    for places in sampled(shards=np.arange(500), buffer=500, edges=EDGES):
        edges = np.sort(EDGES[places], axis=1)
        spread.append(np.ptp(edges, axis=0).mean())
        volumes.append(EDGES[places].prod(1).max())
        sizes.append(len(places))
    random = [np.ptp(np.sort(EDGES[i : i + 16], axis=1), axis=0).mean() for i in range(0, 496, 16)]
    assert np.mean(spread) < 0.5 * np.mean(random)
    sizes, volumes = np.array(sizes), np.array(volumes)
    assert sizes.max() == 16
    assert sizes[volumes > 1200].mean() <= 6
    # What a batch weighs, in crystals of 400 Å³, exceeds its bound by less than its largest crystal.
    weights = np.maximum((np.ceil(EDGES / 1.5) * 1.5).prod(1) / 400, 1)
    for places in sampled(shards=np.arange(500), buffer=500, edges=EDGES):
        assert weights[places].sum() < 16 + weights[places].max()
