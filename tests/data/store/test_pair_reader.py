"""Samples read past zarr are those that zarr reads."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import zarr
from zarr.storage import LocalStore

from phaselearn.data.store.files import PAIR_ARRAYS, create_pair_arrays
from phaselearn.data.store.pair_reader import ShardReader
from phaselearn.data.store.pair_store import PairStore
from phaselearn.errors import UserError


@pytest.mark.parametrize("held", [0, 20, 10_000])
@pytest.mark.parametrize("share", [0.02, 0.3, 1.0])
def test_any_rows_in_any_order_are_those_of_zarr(tiny_store: PairStore, share: float, held: int) -> None:
    generator = np.random.default_rng(0)
    whole = zarr.open_group(tiny_store.path, mode="r")["density"][:]
    wanted = np.flatnonzero(generator.random(len(whole)) < share)
    reader = tiny_store.reader("density", wanted, held)
    for _ in range(2):
        for rows in np.array_split(generator.permutation(wanted), 5):
            assert np.array_equal(reader.read(rows), whole[rows])
    again = np.array([3, 3, 270, 3])  # one twice, one that was not announced
    assert np.array_equal(reader.read(again), whole[again])


def test_of_few_crystals_in_a_shard_no_more_than_their_neighbourhood_is_read(tiny_store: PairStore) -> None:
    read = 0
    get = LocalStore.get

    async def counted(self, key, prototype=None, byte_range=None):
        nonlocal read
        found = await get(self, key, prototype, byte_range)
        read += len(found)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalStore, "get", counted)
        tiny_store.read_pairs("density", np.array([5]))
    assert read < 16 * 256 + 4 + 4100  # the index and one chunk


def test_an_absent_chunk_is_told(tmp_path) -> None:
    path = tmp_path / "array.zarr"
    array = zarr.create_array(
        path, shape=(8, 2, 2, 2), chunks=(1, 2, 2, 2), shards=(8, 2, 2, 2), dtype="float32", fill_value=0
    )
    array[:3] = 1.0
    for wanted in ([6], list(range(8))):
        reader = ShardReader(array, np.array(wanted), 8, lambda row, reason: UserError(f"row {row}: {reason}"))
        with pytest.raises(UserError, match="row 6: it is absent"):
            reader.read(np.array([6]))


def test_shards_that_are_nearly_read_are_not_kept_whole(tmp_path) -> None:
    """A shuffled epoch comes back for the last crystal of a shard when dozens of others have been begun."""
    shards, length, size = 16, 64, 8
    group = zarr.open_group(tmp_path / "pairs.zarr", mode="w")
    create_pair_arrays(group, shards * length, dict.fromkeys(PAIR_ARRAYS, (size,) * 3), length)
    array = group["density"]
    array[:] = np.random.default_rng(0).random(array.shape, dtype=np.float32)
    everything = np.arange(shards * length)
    reader = ShardReader(array, everything, len(everything), lambda row, reason: UserError(f"row {row}: {reason}"))
    tracemalloc.start()
    try:
        for shard in range(shards):
            reader.read(everything[shard * length + 1 : (shard + 1) * length])
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < array.nbytes / 4  # of noise, which cannot be compressed, a chunk in 64 is left
    assert np.array_equal(reader.read(everything[::length]), array[:][::length])
