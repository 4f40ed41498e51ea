"""Builds a store from a source: the store is whole or not there, and a build that was stopped is resumed.

A store is built beside its place, under the name `….partial`: first blocks of screened crystals, then the arrays of the
crystals, then the pairs shard by shard, last the dataset card and the manifest. Each step is noted under `building/`
when it is done, and every file is written in one step. At the end the store moves to its place. Its bytes depend on the
source and the definition alone, not on the number of processes nor on where a build was stopped.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import zarr

from phaselearn.data.build.crystal_columns import write_columns
from phaselearn.data.build.screen_source import ScreenedSource, read_block, screen_source
from phaselearn.data.build.write_pairs import PAIRS_A_SHARD, write_pairs
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.store.dataset_card import dataset_card
from phaselearn.data.store.files import BUILDING, CARD, RECIPE, WRITTEN, create_pair_arrays
from phaselearn.data.store.location import open_storage
from phaselearn.data.store.manifest import MANIFEST, DamagedManifest, Entry, Manifest, read_manifest, require_manifest
from phaselearn.data.store.pair_store import PairStore
from phaselearn.data.store.recipe import make_recipe
from phaselearn.data.store.removal import check_removable, remove
from phaselearn.data.store.storage import Storage
from phaselearn.data.store.summary import summarise
from phaselearn.data.structures import Source
from phaselearn.errors import UserError

_FILES_AT_ONCE = 8
# Part of a half-built store's recipe: a build with other blocks does not continue it.
_BLOCKS = "256 entries, with displacements"


def build_store(
    source: Source,
    definition: PairDefinition,
    path: str | Path,
    longest_edge: float,
    source_config: Mapping[str, Any],
    overwrite: bool = False,
    workers: int | None = None,
) -> PairStore:
    """Build a store, or finish one whose build was stopped.

    Memory holds a block of 256 entries for each process and up to 65,536 rows of each array of the crystals. Beyond
    that it takes about 100 bytes for each block, shard and rejected entry, and 32 bytes for each crystal's id.

    If another process or thread is building the same store, this call waits for it and takes its store.

    Args:
        source: where the crystals come from.
        definition: definition of the pairs.
        path: place of the store: a folder, or `s3://BUCKET/FOLDER`.
        longest_edge: crystals with a longer cell edge (Å) are left out.
        source_config: configuration of the source, for the provenance.
        overwrite: whether to replace a store that is at `path`.
        workers: number of processes; None for one per core where it is worth it. The store does not depend on it.

    Raises:
        UserError: something is at `path` already or, with `overwrite`, something that is not a store of ours; or the
            source has no usable crystal.
        OSError: a file cannot be read or written; what is done is kept, and the same call continues.
    """
    if workers is not None and workers < 1:
        raise UserError(f"data.build.workers={workers}: at least 1 is needed, or null for one per core")
    storage = open_storage(path)
    was_there = is_there(path)
    if not overwrite:
        _check_free(storage, was_there)
    recipe = make_recipe(source, definition, longest_edge, source_config)
    with storage.lock(f"builds {path}") as waited:
        if (waited or not was_there) and _is_whole(storage, recipe):
            return PairStore(path)
        if not overwrite:
            _check_free(storage, is_there(path))
        # Nothing is deleted in, nor written beside, a folder that is not a store.
        for place in (storage, storage.beside()):
            check_removable(place)
        _build(storage, source, definition, recipe, workers)
    return PairStore(path)


def _check_free(storage: Storage, is_there: bool) -> None:
    if is_there:
        raise UserError(
            f"{storage.path} exists already: add `overwrite=true` to replace it, or choose another data.store"
        )


def _build(
    storage: Storage, source: Source, definition: PairDefinition, recipe: dict[str, Any], workers: int | None
) -> None:
    partial = storage.beside()
    if not _is_whole(partial, recipe):
        _start_or_go_on(partial, recipe)
        screened = screen_source(partial, source, recipe["longest_edge"], definition, workers)
        _check_usable(source, screened)
        _write_columns(partial, recipe, screened, definition)
        shards = write_pairs(partial, screened.crystals, definition, screened.longest, workers)
        _finish(partial, recipe, shards)
    _remove_rest(partial)
    remove(storage)
    partial.take_place_of(storage)


def is_there(path: str | Path) -> bool:
    """Return whether a place holds a store, whole or damaged, or anything else.

    Files without a manifest do not count if a whole store beside them was about to replace them.
    """
    storage = open_storage(path)
    if storage.has(MANIFEST):
        return True
    return bool(storage.sizes()) and not storage.beside().has(MANIFEST)


def _is_whole(partial: Storage, recipe: dict[str, Any]) -> bool:
    try:
        manifest = read_manifest(partial)
    except DamagedManifest:
        return False
    return manifest is not None and manifest.recipe == recipe


def _start_or_go_on(partial: Storage, recipe: dict[str, Any]) -> None:
    """Delete everything that is not of this build."""
    encoded = json.dumps({**recipe, "blocks": _BLOCKS}, sort_keys=True).encode()
    if partial.has(RECIPE) and partial.read(RECIPE) == encoded:
        return
    remove(partial)
    partial.write(RECIPE, encoded)


def _check_usable(source: Source, screened: ScreenedSource) -> None:
    if sum(screened.crystals):
        return
    reasons = Counter(screened.left_out).most_common(3)
    told = "; ".join(f"{count} × {reason}" for reason, count in reasons) or "it yields nothing"
    raise UserError(
        f"source '{source.name}' has no usable structure ({told}): check source.path, or use the embedded "
        f"`phaselearn train source=prototypes`"
    )


def _write_columns(
    partial: Storage, recipe: dict[str, Any], screened: ScreenedSource, definition: PairDefinition
) -> None:
    """Write the group, the arrays of the crystals and the empty arrays of the pairs; all anew, if that was stopped."""
    if partial.has(WRITTEN):
        return
    partial.delete(key for key in partial.sizes() if not key.startswith(f"{BUILDING}/"))
    count = sum(screened.crystals)
    attributes = {**recipe, "left_out": screened.left_out}
    group = zarr.create_group(partial.zarr_store(read_only=False), attributes=attributes, zarr_format=3)
    blocks = (read_block(partial, number) for number in range(len(screened.crystals)))
    write_columns(partial, group, blocks, count, screened.atoms, screened.displaced)
    create_pair_arrays(group, count, definition.sample_shapes(screened.longest), PAIRS_A_SHARD)
    partial.write(WRITTEN, b"")


def _finish(partial: Storage, recipe: dict[str, Any], shards: dict[str, Entry]) -> None:
    """Write the dataset card and the manifest."""
    card = write_card(partial)
    others = [
        key
        for key in partial.sizes()
        # A killed process may have left a file that it had not finished.
        if not key.startswith(f"{BUILDING}/") and key not in shards and not key.endswith(".partial")
    ]
    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        files = dict(zip(others, map(Entry.of, pool.map(partial.read, others)), strict=True))
    Manifest(recipe, shards | files | {CARD: card}).write(partial)


def write_card(storage: Storage) -> Entry:
    """Write the dataset card of a store and return its entry in the manifest."""
    content = dataset_card(summarise(PairStore(storage.path, check=False))).encode()
    storage.write(CARD, content)
    return Entry.of(content)


def _remove_rest(partial: Storage) -> None:
    """Remove all files that are not part of the store."""
    manifest = require_manifest(partial)
    partial.delete(partial.sizes().keys() - manifest.files.keys() - {MANIFEST})
