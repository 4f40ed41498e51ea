"""Removal of stores: only of folders that look like a store of ours, whole or half built."""

from __future__ import annotations

import re
from collections.abc import Iterable

from phaselearn.data.store.files import (
    BUILDING,
    CARD,
    GATHERED,
    LEFT_OUT,
    METADATA,
    RECIPE,
    SHARDS_WRITTEN,
    WRITTEN,
)
from phaselearn.data.store.manifest import MANIFEST
from phaselearn.data.store.recipe import SCHEMA
from phaselearn.data.store.storage import Storage
from phaselearn.errors import UserError
from phaselearn.quoting import command

_MARKED = (MANIFEST, METADATA, RECIPE)  # files that name our schema
_OWN = {MANIFEST, METADATA, CARD, LEFT_OUT}
_IN_STORE = re.compile(rf"{BUILDING}/|\w+/({METADATA}$|c/)")  # of a build, or of an array
_UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.partial$")


def check_removable(storage: Storage) -> None:
    """Refuse to replace a folder that is not a store.

    Raises:
        UserError: it holds files that are not part of a store, or no file names our schema.
    """
    # Files that a killed process was writing; there may be no others.
    keys = {key for key in storage.sizes() if not _UNFINISHED.search(key)}
    if not keys:
        return
    foreign = sorted(key for key in keys - _OWN if not _IN_STORE.match(key))
    if foreign or not any(_is_marked(storage, key) for key in keys.intersection(_MARKED)):
        found = f"it holds {foreign[0]}" if foreign else f"nothing in it names {SCHEMA}"
        raise UserError(
            f"{storage.path} is not a store of PhaseLearn ({found}), and only such a store is replaced: choose another "
            f"data.store, or see what it is with `{command('ls', storage.path)}` and move it away"
        )


def _is_marked(storage: Storage, key: str) -> bool:
    # As text, since a damaged store is ours, too.
    return SCHEMA.encode() in storage.read(key)


def remove(storage: Storage) -> None:
    """Delete a store, in an order that never leaves files that look whole, or that could be anybody's, when stopped."""
    for keys in removal_order(storage.sizes()):
        storage.delete(keys)


def removal_order(keys: Iterable[str]) -> list[list[str]]:
    """Return the files of a store in groups, in the order in which they are deleted; they are copied in reverse order.

    Files that say that others are there come first, files that name our schema last.
    """
    groups: list[list[str]] = [[], [], [], [], []]
    for key in sorted(keys):
        groups[_group(key)].append(key)
    return groups


def _group(key: str) -> int:
    if key in (MANIFEST, GATHERED, WRITTEN) or key.startswith(f"{SHARDS_WRITTEN}/"):
        return 0
    if key == RECIPE:
        return 4
    if key.endswith(METADATA):
        return 3 if key == METADATA else 2
    return 1
