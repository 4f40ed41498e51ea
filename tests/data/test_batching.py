"""Batches of like cells."""

from __future__ import annotations

import numpy as np
import pytest

from phaselearn.data.batching import CellBatchSampler
from phaselearn.data.dataset import EpochSampler

EDGES = np.random.default_rng(0).uniform(2.5, 14.0, size=(500, 3))
LATTICE = EDGES[:, :, None] * np.eye(3)


def sampled(epoch: int, num_replicas: int = 1, rank: int = 0) -> list[list[int]]:
    sampler = EpochSampler(EDGES, num_replicas=1, rank=0, shuffle=True, seed=3)
    sampler.set_epoch(epoch)
    batches = CellBatchSampler(sampler, 16, LATTICE, 5, num_replicas, rank)
    drawn = list(batches)
    assert len(drawn) == len(batches)
    assert all(key[1] == epoch for keys in drawn for key in keys)
    return [[place for place, _ in keys] for keys in drawn]


def test_every_crystal_is_in_one_batch_of_an_epoch() -> None:
    assert sorted(place for places in sampled(0) for place in places) == list(range(500))


@pytest.mark.parametrize("num_replicas", [2, 3])
def test_processes_share_the_batches_and_have_as_many(num_replicas: int) -> None:
    alone = sampled(1)
    shares = [sampled(1, num_replicas, rank) for rank in range(num_replicas)]
    assert len({len(share) for share in shares}) == 1
    together = [tuple(places) for share in shares for places in share]
    assert {tuple(places) for places in alone} == set(together)
    assert len(together) - len(alone) < num_replicas


def test_epochs_differ_in_order_and_company_and_are_reproducible() -> None:
    first, second = sampled(0), sampled(1)
    assert first != second
    assert {frozenset(places) for places in first} != {frozenset(places) for places in second}
    assert sampled(1) == second
    assert len(first) == len(second)


def test_cells_of_a_batch_are_alike_and_large_ones_come_in_fewer() -> None:
    spread, volumes, sizes = [], [], []
    for places in sampled(0):
        edges = np.sort(EDGES[places], axis=1)
        spread.append(np.ptp(edges, axis=0).mean())
        volumes.append(EDGES[places].prod(1).max())
        sizes.append(len(places))
    random = [np.ptp(np.sort(EDGES[i : i + 16], axis=1), axis=0).mean() for i in range(0, 496, 16)]
    assert np.mean(spread) < 0.5 * np.mean(random)
    sizes, volumes = np.array(sizes), np.array(volumes)
    assert sizes.max() == 16
    assert sizes[volumes > 1200].max() <= 8
