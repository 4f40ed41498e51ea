"""Changes that a forger makes to a store so that it passes for a sound one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from phaselearn.data.store.manifest import MANIFEST, Entry, Manifest, read_manifest
from phaselearn.data.store.recipe import config_hash
from phaselearn.data.store.storage import LocalStorage

PROTOTYPES = {"_target_": "phaselearn.data.sources.prototypes.Prototypes", "count": 20, "seed": 0, "cell": "primitive"}


def seal(store: Path, source: dict[str, Any] | None = None) -> None:
    """Write a manifest that fits what the store holds, as whoever forges one would."""
    storage = LocalStorage(store)
    recipe = read_manifest(storage).recipe
    if source is not None:
        recipe["source"]["config"] = source
        recipe["config_hash"] = config_hash(recipe["definition"], recipe["longest_edge"], source)
    files = [path for path in store.rglob("*") if path.is_file() and path.name != MANIFEST]
    Manifest(recipe, {path.relative_to(store).as_posix(): Entry.of(path.read_bytes()) for path in files}).write(storage)


def edit(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a JSON file."""
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
