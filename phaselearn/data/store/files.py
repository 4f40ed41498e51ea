"""The files of a store, and how its arrays are encoded."""

from __future__ import annotations

import zarr

from phaselearn.data.store.shard_codec import CODECS

PAIR_ARRAYS = ("intensity", "density")
METADATA = "zarr.json"
LEFT_OUT = "left_out.csv"
CARD = "README.md"
BUILDING = "building"  # folder of what a store holds only until it is whole
RECIPE = f"{BUILDING}/recipe.json"  # what is built
GATHERED = f"{BUILDING}/gathered.json"  # written when all structures have been read
WRITTEN = f"{BUILDING}/columns.done"  # and when their arrays are there
SHARDS_WRITTEN = f"{BUILDING}/shards"  # folder with a note for each shard that is there


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
