"""The encodings that the metadata of a store may name: those that this package writes, and no others.

zarr looks up any codec that the metadata name among those that are installed, and pickle is one of version 2's. A store
may come from a stranger, so its metadata must not choose which code runs.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import zarr
import zarr.storage

from phaselearn.data.store.damage import first_line, not_ours
from phaselearn.data.store.files import (
    DISPLACEMENTS,
    METADATA,
    PAIR_ARRAYS,
    create_crystal_arrays,
    create_pair_arrays,
)
from phaselearn.data.store.storage import Storage

_FILES_AT_ONCE = 8


def open_group(storage: Storage) -> zarr.Group:
    """Open the group of a store for reading.

    Raises:
        UserError: the metadata are not those of a store.
    """
    has_displacements = storage.has(f"{DISPLACEMENTS}/{METADATA}")
    names = ["", *(name for name in _written() if name != DISPLACEMENTS or has_displacements)]
    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        for name, document in zip(names, pool.map(lambda name: _document(storage, name), names), strict=True):
            _check(storage, name, document)
    try:
        return zarr.open_group(storage.zarr_store(), mode="r", zarr_format=3, use_consolidated=False)
    except (KeyError, TypeError, ValueError) as error:
        raise not_ours(storage, METADATA, first_line(error)) from error


@cache
def _written() -> dict[str, dict[str, Any]]:
    """Return {array: its encoding}, as zarr writes it for this package."""
    group = zarr.create_group(zarr.storage.MemoryStore(), zarr_format=3)
    create_crystal_arrays(group, crystals=1, atoms=1, displaced=True)
    # Lists differ from boxes in the compressor within blosc alone.
    create_pair_arrays(group, count=1, shapes=dict.fromkeys(PAIR_ARRAYS, (4, 4, 4)), pairs_a_shard=1)
    return {name: _encoding(array.metadata.to_dict()) for name, array in group.arrays()}


def _encoding(document: dict[str, Any]) -> dict[str, Any]:
    """Return the part of an array's metadata that chooses code: its type and all codecs, the inner ones included."""
    return {
        "data_type": document["data_type"],
        "codecs": _codecs(document["codecs"]),
        "chunk_key_encoding": document["chunk_key_encoding"]["name"],
        "storage_transformers": [*document.get("storage_transformers", [])],
    }


def _codecs(codecs: list[dict[str, Any]]) -> list[Any]:
    return [
        [codec["name"], *(_codecs(inner[kind]) for kind in ("codecs", "index_codecs") if kind in inner)]
        for codec in codecs
        for inner in [codec.get("configuration", {})]
    ]


def _document(storage: Storage, name: str) -> Any:
    key = f"{name}/{METADATA}" if name else METADATA
    try:
        return json.loads(storage.read(key))
    except FileNotFoundError:
        raise not_ours(storage, key, "it is missing") from None
    except (ValueError, RecursionError) as error:
        raise not_ours(storage, key, "it is not valid JSON") from error


def _check(storage: Storage, name: str, document: Any) -> None:
    key = f"{name}/{METADATA}" if name else METADATA
    expected = {"zarr_format": 3, "node_type": "array" if name else "group"}
    for field, value in expected.items():
        if not isinstance(document, dict) or document.get(field) != value:
            raise not_ours(storage, key, f"{field} is not {value}")
    if not name:
        if document.get("consolidated_metadata"):
            raise not_ours(storage, key, "it repeats the metadata of the arrays (consolidated_metadata)")
        return
    try:
        encoding = _encoding(document)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise not_ours(storage, key, "it is not the metadata of an array") from error
    for field, value in _written()[name].items():
        if encoding[field] != value:
            raise not_ours(storage, key, f"{field} is {encoding[field]}, allowed is {value}")
