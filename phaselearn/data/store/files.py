"""The files of a store, and the encoding of its arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from phaselearn.data.store.shard_codec import codecs_of

PAIR_ARRAYS = ("intensity", "density")
DISPLACEMENTS = "atom_u_iso"
METADATA = "zarr.json"
LEFT_OUT = "left_out.csv"
CARD = "README.md"
BUILDING = "building"  # folder of the files that a store has only until it is whole
RECIPE = f"{BUILDING}/recipe.json"  # the recipe of the store that is built
GATHERED = f"{BUILDING}/gathered.json"  # written when all structures have been read
WRITTEN = f"{BUILDING}/columns.done"  # written when the arrays of the crystals are there
SHARDS_WRITTEN = f"{BUILDING}/shards"  # folder with a note for each shard that is there
_ROWS_A_CHUNK = 65536
_CRYSTAL_CODECS = (ZstdCodec(level=1), Crc32cCodec())


def shard_key(array: str, shard: int, axes: int = 3) -> str:
    """Return the file that holds a shard of one of the pair arrays, relative to the store.

    Args:
        array: name of the array.
        shard: number of the shard.
        axes: number of axes of a sample.
    """
    return "/".join((array, "c", str(shard), *("0",) * axes))


def array_of(group: zarr.Group, name: str) -> zarr.Array[Any]:
    """Return an array of a store's group.

    Raises:
        KeyError: there is none of this name.
        TypeError: the name is that of a group.
    """
    found = group[name]
    if not isinstance(found, zarr.Array):
        raise TypeError(f"{name} is a group, not an array")
    return found


def shard_length(array: zarr.Array[Any]) -> int:
    """Return how many samples lie in a shard of one of the pair arrays.

    Raises:
        ValueError: the array has no shards.
    """
    if array.shards is None:
        raise ValueError(f"{array.name} has no shards")
    return array.shards[0]


def create_crystal_arrays(group: zarr.Group, crystals: int, atoms: int, displaced: bool) -> dict[str, zarr.Array[Any]]:
    """Create the empty arrays of the crystals and return them by name.

    Args:
        group: the store's group.
        crystals: number of crystals.
        atoms: number of atoms of all crystals together.
        displaced: whether there is an array of displacement parameters, which some crystals have.
    """
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        "lattice": ((crystals, 3, 3), np.float64),
        "atom_offset": ((crystals + 1,), np.int64),
        "atom_number": ((atoms,), np.int64),
        "atom_position": ((atoms, 3), np.float64),
        "space_group": ((crystals,), np.int64),
        "id": ((crystals,), str),
        "formula": ((crystals,), str),
        "prototype": ((crystals,), str),
    }
    if displaced:
        shapes[DISPLACEMENTS] = (atoms,), np.float64
    return {
        name: group.create_array(
            name,
            shape=shape,
            dtype=dtype,
            chunks=(min(shape[0], _ROWS_A_CHUNK), *shape[1:]),
            compressors=_CRYSTAL_CODECS,
        )
        for name, (shape, dtype) in shapes.items()
    }


def create_pair_arrays(group: zarr.Group, count: int, shapes: Mapping[str, Sequence[int]], pairs_a_shard: int) -> None:
    """Create the empty arrays of the pairs.

    Args:
        group: the store's group.
        count: number of crystals.
        shapes: {array: shape of a sample}, see `PairDefinition.sample_shapes`.
        pairs_a_shard: number of samples in a shard.
    """
    for name in PAIR_ARRAYS:
        sample = tuple(shapes[name])
        group.create_array(
            name,
            shape=(count, *sample),
            dtype="float32",
            chunks=(1, *sample),
            shards=(min(pairs_a_shard, count), *sample),
            compressors=codecs_of(len(sample)),
        )
