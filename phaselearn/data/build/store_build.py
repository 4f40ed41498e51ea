"""Builds a store from a source: the store is whole or not there, and a build that was stopped is resumed.

A store is built beside its place, under the name `….partial`: first blocks of screened crystals, then the arrays of the
crystals, then the pairs shard by shard, last the dataset card and the manifest. Each step is noted under `building/`
when it is done, and every file is written in one step. At the end the store moves to its place. Its bytes depend on the
source and the definition alone, not on the number of processes nor on where a build was stopped.

The process that holds the lock of the place leads the build. Those that want the same store take part while they wait
for the lock: blocks and shards are shared, and the leader does the rest. If it is killed, one of the others leads.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import zarr

from phaselearn.data.build.crystal_columns import write_columns
from phaselearn.data.build.screen_source import (
    ScreenedSource,
    gather_blocks,
    read_block,
    screened_source,
    write_blocks,
)
from phaselearn.data.build.shared_build import BuildEnded, SharedBuild
from phaselearn.data.build.write_pairs import PAIRS_A_SHARD, write_pairs, written_shards
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.store.dataset_card import dataset_card
from phaselearn.data.store.files import BUILDING, CARD, WRITTEN, create_pair_arrays
from phaselearn.data.store.location import open_storage
from phaselearn.data.store.manifest import MANIFEST, DamagedManifest, Entry, Manifest, read_manifest, require_manifest
from phaselearn.data.store.pair_store import PairStore
from phaselearn.data.store.recipe import config_hash, make_recipe
from phaselearn.data.store.removal import check_removable, remove
from phaselearn.data.store.storage import Storage
from phaselearn.data.store.summary import summarise
from phaselearn.data.structures import Source
from phaselearn.errors import UserError
from phaselearn.locks import held
from phaselearn.progress import announce

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

    If another process or thread is building the same store, this call takes part in that, and takes the store.

    Args:
        source: where the crystals come from.
        definition: definition of the pairs.
        path: place of the store: a folder, or `s3://BUCKET/FOLDER`.
        longest_edge: crystals with a longer cell edge (Å) are left out.
        source_config: configuration of the source, for the provenance.
        overwrite: whether to replace a store that is at `path`. Otherwise it is returned if it has the same recipe.
        workers: number of processes; None for one per core where it is worth it. The store does not depend on it.

    Raises:
        UserError: something else is at `path` already or, with `overwrite`, something that is not a store of ours; or
            the source has no usable crystal.
        OSError: a file cannot be read or written; what is done is kept, and the same call continues.
    """
    if workers is not None and workers < 1:
        raise UserError(f"data.build.workers={workers}: at least 1 is needed, or null for one per core")
    storage = open_storage(path)
    was_there = is_there(path)
    asked = config_hash(definition.as_dict(), longest_edge, source_config)
    if was_there and not overwrite and _hash_of(storage) != asked:  # before a source is fetched in vain
        raise _taken(storage)
    recipe = make_recipe(source, definition, longest_edge, source_config)
    if was_there and not overwrite and _is_whole(storage, recipe):
        return PairStore(path)  # without the lock, which a disk that can only be read has no room for
    encoded = json.dumps({**recipe, "blocks": _BLOCKS}, sort_keys=True).encode()
    build = SharedBuild(storage.beside(), encoded, workers)
    with held(storage.lock(f"builds {path}"), _take_part(build, source, longest_edge, definition)) as waited:
        replaces = overwrite and was_there and not waited
        if not replaces and _is_whole(storage, recipe):
            return PairStore(path)
        if not overwrite and is_there(path):
            raise _taken(storage)
        # Nothing is deleted in, nor written beside, a folder that is not a store.
        for place in (storage, build.storage):
            check_removable(place)
        _build(storage, build, source, definition, recipe)
    return PairStore(path)


def _taken(storage: Storage) -> UserError:
    return UserError(
        f"{storage.path} exists already and holds something else: add `overwrite=true` to replace it, or choose "
        "another data.store"
    )


def _hash_of(storage: Storage) -> str | None:
    """Return the hash of the configuration that a whole store was built with."""
    manifest = _manifest(storage)
    return None if manifest is None else manifest.recipe.get("config_hash")


def _build(
    storage: Storage, build: SharedBuild, source: Source, definition: PairDefinition, recipe: dict[str, Any]
) -> None:
    partial = build.storage
    if not _is_whole(partial, recipe):
        build.begin()
        screened = screened_source(partial)
        if screened is None:
            blocks = write_blocks(build, source, recipe["longest_edge"], definition)
            screened = gather_blocks(build, blocks, definition)
        _check_usable(source, screened)
        _write_columns(partial, recipe, screened, definition)
        write_pairs(build, screened, definition)
        _finish(partial, recipe)
    partial.drop_claims()
    _remove_rest(partial)
    remove(storage)
    partial.take_place_of(storage)


def _take_part(build: SharedBuild, source: Source, longest_edge: float, definition: PairDefinition) -> Iterator[None]:
    """Take part in the build of the same store that another process leads; yield while there is nothing to do."""
    while not build.is_on():
        yield
    announce(f"another process builds this store, too: sharing the work in {build.storage.path}")
    with suppress(BuildEnded):
        if screened_source(build.storage) is None:
            write_blocks(build, source, longest_edge, definition)
        while not build.storage.has(WRITTEN):
            yield
        screened = screened_source(build.storage)
        if screened is not None:  # as it is, unless the build has ended just now
            write_pairs(build, screened, definition)


def is_there(path: str | Path) -> bool:
    """Return whether a place holds a store, whole or damaged, or anything else.

    Files without a manifest do not count if a whole store beside them was about to replace them.
    """
    storage = open_storage(path)
    if storage.has(MANIFEST):
        return True
    return bool(storage.sizes()) and not storage.beside().has(MANIFEST)


def _is_whole(storage: Storage, recipe: dict[str, Any]) -> bool:
    manifest = _manifest(storage)
    return manifest is not None and manifest.recipe == recipe


def _manifest(storage: Storage) -> Manifest | None:
    """Return the manifest of a store; None if there is none, or it is damaged."""
    try:
        return read_manifest(storage)
    except DamagedManifest:
        return None


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


def _finish(partial: Storage, recipe: dict[str, Any]) -> None:
    """Write the dataset card and the manifest."""
    shards = written_shards(partial)
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
