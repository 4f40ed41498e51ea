"""Checks that a store is one that a build can have written: its attributes, the shapes of its arrays, its crystals.

A store may come from a stranger, whose manifest fits whatever they wrote. No build writes 10¹² rows, or atoms that are
not elements.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import zarr
import zarr.storage

from phaselearn.crystal.choices import LARGEST_ATOMIC_NUMBER
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.store.files import DISPLACEMENTS, METADATA, create_crystal_arrays, create_pair_arrays
from phaselearn.data.store.recipe import is_sound
from phaselearn.errors import UserError

_TEXTS = ("name", "licence", "attribution", "fingerprint")
# No chunk of these is all zeros, which zarr would not write.
_NEVER_ZERO = ("lattice", "atom_number")


class Misshapen(Exception):
    """A part of a store that no build writes; the arguments are the file and what is wrong."""

    def __init__(self, key: str, what: str) -> None:
        super().__init__(key, what)
        self.key, self.what = key, what


def attributes_of(root: bytes) -> dict[str, Any]:
    """Return the attributes of a store from the metadata of its group.

    Raises:
        Misshapen: something is missing, or of the wrong kind.
    """
    try:
        attributes = json.loads(root)["attributes"]
        source = attributes["source"]
        kinds = (
            *((source[name], str) for name in _TEXTS),
            *((attributes[name], dict) for name in ("versions", "left_out")),
            (source["config"], dict),
            (attributes["longest_edge"], int | float),
        )
        definition = PairDefinition.from_dict(attributes["definition"])
        extent = (definition.size, int) if definition.resolution is None else (definition.resolution, int | float)
        is_whole = all(isinstance(value, kind) for value, kind in (*kinds, extent)) and is_sound(attributes)
    except (KeyError, TypeError, ValueError, RecursionError, UserError) as error:
        raise Misshapen(METADATA, "its attributes do not say what was built") from error
    if not is_whole:
        raise Misshapen(METADATA, "its attributes do not say what was built")
    return attributes


def check_shapes(definition: PairDefinition, metadata: Mapping[str, bytes], files: Collection[str]) -> None:
    """Check that arrays have the shapes and chunks that this package gives to arrays of so many crystals and atoms.

    Args:
        definition: definition of the pairs.
        metadata: {key: content} of the arrays' metadata.
        files: the keys of all files.

    Raises:
        Misshapen: an array has not, or chunks are missing that no build leaves out.
    """
    found = {key: _grid(key, content) for key, content in metadata.items() if key != METADATA}
    try:
        crystals, atoms = (_length(found[f"{name}/{METADATA}"]) for name in _NEVER_ZERO)
        pairs_a_shard = found[f"density/{METADATA}"]["chunk_grid"]["configuration"]["chunk_shape"][0]
        group = zarr.create_group(zarr.storage.MemoryStore(), zarr_format=3)
        create_crystal_arrays(group, crystals, atoms, displaced=f"{DISPLACEMENTS}/{METADATA}" in found)
        longest = found[f"intensity/{METADATA}"]["shape"][1]
        create_pair_arrays(group, crystals, definition.sample_shapes(longest), pairs_a_shard)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError) as error:
        raise Misshapen(f"lattice/{METADATA}", "shapes that are none") from error
    for name, array in group.arrays():
        key = f"{name}/{METADATA}"
        expected = _grid(key, json.dumps(array.metadata.to_dict(), default=str).encode())
        if found.get(key) != expected:
            raise Misshapen(key, f"its shape or its chunks are not those of {crystals:,} crystals, {atoms:,} atoms")
    for name in _NEVER_ZERO:
        rows, chunk = (found[f"{name}/{METADATA}"][part] for part in ("shape", "chunk_grid"))
        chunks = -(-rows[0] // chunk["configuration"]["chunk_shape"][0])
        there = sum(key.startswith(f"{name}/c/") for key in files)
        if there != chunks:
            raise Misshapen(f"{name}/", f"{there:,} chunks are there of {chunks:,}")


def check_values(name: str, values: np.ndarray) -> np.ndarray:
    """Return rows of an array of the crystals, checked.

    Raises:
        Misshapen: atoms of no element, numbers that are not finite, rows of atoms that do not follow one another.
    """
    match name:
        case "atom_offset":
            is_possible = bool(values[0] >= 0 and (np.diff(values) > 0).all())
        case "atom_number":
            is_possible = bool(((values >= 1) & (values <= LARGEST_ATOMIC_NUMBER)).all())
        case "space_group":
            is_possible = bool(((values >= 1) & (values <= 230)).all())
        case "lattice" | "atom_position":
            is_possible = bool(np.isfinite(values).all())
        case "atom_u_iso":
            is_possible = bool((np.isnan(values) | ((values >= 0) & (values < np.inf))).all())
        case _:
            is_possible = True
    if not is_possible:
        raise Misshapen(f"{name}/", "numbers that no crystal has")
    return values


def _grid(key: str, content: bytes) -> dict[str, Any]:
    """Return the shape and the chunks that the metadata of an array state, those within a shard as well."""
    try:
        document = json.loads(content)
        inner = [codec.get("configuration", {}).get("chunk_shape") for codec in document["codecs"]]
        return {"shape": document["shape"], "chunk_grid": document["chunk_grid"], "inner": inner}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Misshapen(key, "it is not the metadata of an array") from error


def _length(grid: dict[str, Any]) -> int:
    length = grid["shape"][0]
    if type(length) is not int or length < 1:
        raise ValueError(f"{length} rows")
    return length
