"""The files of a store, and how its arrays are encoded."""

from __future__ import annotations

import zarr

from phaselearn.data.shards import CODECS

PAIR_ARRAYS = ("intensity", "density")
METADATA = "zarr.json"
LEFT_OUT = "left_out.csv"
CARD = "README.md"
BUILDING = "building"  # folder of what a store holds only until it is whole


def shard_key(array: str, shard: int) -> str:
    """Return the file that holds a shard of one of the pair arrays, relative to the store."""
    return f"{array}/c/{shard}/0/0/0"


def create_pair_arrays(group: zarr.Group, count: int, size: int, pairs_a_shard: int) -> None:
    """Create the empty arrays of the pairs."""
    for name in PAIR_ARRAYS:
        group.create_array(
            name,
            shape=(count, size, size, size),
            dtype="float32",
            chunks=(1, size, size, size),
            shards=(min(pairs_a_shard, count), size, size, size),
            compressors=CODECS,
        )
