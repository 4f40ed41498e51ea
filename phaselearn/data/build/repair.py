"""Repair of a store: pairs and dataset card from the crystals that it holds, anything else from its source."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from phaselearn.data.build.store_build import build_store, write_card
from phaselearn.data.build.write_pairs import write_shards
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.store.damage import check_schema, prepare_command
from phaselearn.data.store.files import CARD, METADATA, PAIR_ARRAYS
from phaselearn.data.store.location import open_storage
from phaselearn.data.store.manifest import DamagedManifest, Manifest, read_manifest, require_manifest
from phaselearn.data.store.pair_store import PairStore
from phaselearn.data.store.recipe import SCHEMA, SCHEMA_VERSION, is_sound
from phaselearn.data.store.storage import Storage
from phaselearn.data.store.verify import wrong_files
from phaselearn.data.structures import Source
from phaselearn.errors import UserError
from phaselearn.progress import track


def repair_store(
    path: str | Path, make_source: Callable[[Mapping[str, Any]], Source], workers: int | None = None
) -> list[str]:
    """Repair a store, so that it is again as it was built.

    Args:
        path: path of the store.
        make_source: function that makes the source from the configuration in the store.
        workers: number of processes, see `build_store`.

    Returns:
        The files that were written again, relative to the store: all of them, if it was built again.

    Raises:
        UserError: there is no store, or it must be built again but its source is gone or has changed.
    """
    storage = open_storage(path)
    recipe = _recipe(storage)
    if recipe is None:
        check_schema(storage)
        raise UserError(
            f"{storage.path} is damaged in both places that say what it was built from, {METADATA} and the manifest: "
            f"build it again with `{prepare_command(storage.path, 'source=…', 'data=…', 'overwrite=true')}`"
        )
    if recipe["schema_version"] != SCHEMA_VERSION:
        return _rebuild(storage, recipe, make_source, workers)
    damaged = [problem.file for problem in wrong_files(storage)]
    shards = _shards_of(damaged)
    if len(damaged) > sum(map(len, shards.values())) + (CARD in damaged):
        return _rebuild(storage, recipe, make_source, workers)
    manifest = require_manifest(storage)
    files = dict(manifest.files)
    # Without the check, which would refuse the store for its missing shards; the crystals in it are sound.
    store = PairStore(path, check=False)
    longest = store.longest_list()
    for shard, arrays in track(shards.items(), "repairing shards", len(shards)):
        length = store.pairs_a_shard()
        crystals = [store.crystal(row) for row in range(shard * length, min((shard + 1) * length, len(store)))]
        files |= write_shards(storage, crystals, len(store), store.definition, shard, longest, arrays)
    if CARD in damaged:
        files[CARD] = write_card(storage)
    if files != manifest.files:  # other versions of the libraries may differ in the last digits
        Manifest(recipe, files).write(storage)
    return damaged


def _recipe(storage: Storage) -> dict[str, Any] | None:
    """Return the recipe of a store, from the manifest or, if that is damaged, from the group's attributes."""
    try:
        manifest = read_manifest(storage)
    except DamagedManifest:
        manifest = None
    if manifest is not None and _is_ours(manifest.recipe):
        return manifest.recipe
    try:
        attributes = json.loads(storage.read(METADATA))["attributes"]
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return attributes if _is_ours(attributes) else None


def _is_ours(recipe: Any) -> bool:
    return (
        isinstance(recipe, dict) and recipe.get("schema") == SCHEMA and "schema_version" in recipe and is_sound(recipe)
    )


def _shards_of(files: list[str]) -> dict[int, list[str]]:
    """Return {number of a shard: arrays} for those files that are shards."""
    shards = defaultdict(list)
    for file in files:
        match file.split("/"):
            case [name, "c", number, *_] if name in PAIR_ARRAYS:
                shards[int(number)].append(name)
    return dict(sorted(shards.items()))


def _rebuild(
    storage: Storage, recipe: Mapping[str, Any], make_source: Callable[[Mapping[str, Any]], Source], workers: int | None
) -> list[str]:
    source_config = recipe["source"]["config"]
    anew = prepare_command(storage.path, f"source={recipe['source']['name']}", "…", "overwrite=true")
    if not source_config or not isinstance(source_config, dict):
        raise UserError(f"{storage.path} does not say how its source was configured: build it again with `{anew}`")
    try:
        definition = PairDefinition.from_dict(recipe["definition"])
    except TypeError as error:
        raise UserError(f"{storage.path} does not say what its pairs are: build it again with `{anew}`") from error
    source = make_source(source_config)
    if source.fingerprint() != recipe["source"]["fingerprint"]:
        raise UserError(
            f"{storage.path} cannot be repaired: its source '{source.name}' no longer gives the structures that it was "
            f"built from, or by another version of a library; build it from what there is now with `{anew}`"
        )
    store = build_store(
        source, definition, storage.path, recipe["longest_edge"], source_config, overwrite=True, workers=workers
    )
    return sorted(store.manifest.files)
