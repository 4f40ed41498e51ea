"""Errors of stores that are damaged, half built or of another schema, with the command that helps."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from phaselearn.data.store.files import BUILDING, METADATA
from phaselearn.data.store.manifest import MANIFEST
from phaselearn.data.store.recipe import SCHEMA, SCHEMA_VERSION
from phaselearn.data.store.storage import Storage
from phaselearn.errors import UserError
from phaselearn.quoting import command, setting


def repair_command(storage: Storage) -> str:
    """Return the command that repairs a store."""
    return prepare_command(storage.path, "repair=true")


def prepare_command(path: Path | str, *words: str) -> str:
    """Return the command that builds or repairs the store of this name."""
    return command("phaselearn prepare", setting("data.store", path), *words)


def damaged(storage: Storage, key: str, why: str) -> UserError:
    """Return the error that names a damaged file and the command that repairs it."""
    return UserError(f"{storage.path} is damaged: {key} ({why}): repair it with `{repair_command(storage)}`")


def not_ours(storage: Storage, key: str, why: str) -> UserError:
    """Return the error that names a file whose content no build writes."""
    return UserError(
        f"{storage.path} is not a store that this package has written: {key}: {why}. Build one from its source with "
        f"`{prepare_command(storage.path, 'source=…', 'overwrite=true')}`"
    )


def wrong_size(found: int | None, expected: int) -> str:
    """Return the words for a file of the wrong length; `found` is None for a file that is not there."""
    return "it is missing" if found is None else f"it has {found:,} bytes, not {expected:,}"


def check_schema(storage: Storage) -> None:
    """Refuse what is not a store of this version, when its manifest is missing or damaged.

    Raises:
        UserError: there is nothing, no zarr group, a store of another schema or version, or a half-built store.
    """
    try:
        content = storage.read(METADATA)
    except FileNotFoundError:
        files = storage.sizes()
        if not files:
            raise UserError(f"no store at {storage.path}: build one with `{prepare_command(storage.path)}`") from None
        if MANIFEST in files:
            raise damaged(storage, METADATA, "it is missing") from None
        if _is_half_built(files):
            raise _half_built(storage) from None
        raise _not_a_group(storage, f"no {METADATA} in it") from None
    try:
        attributes = json.loads(content)["attributes"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _not_a_group(storage, f"{METADATA}: {first_line(error)}") from error
    if not isinstance(attributes, dict):
        raise _not_a_group(storage, f"{METADATA} has no attributes")
    check_version(storage, attributes)
    if _is_half_built(storage.sizes()):
        raise _half_built(storage)


def check_version(storage: Storage, attributes: dict[str, Any]) -> None:
    """Refuse a store of another schema.

    Raises:
        UserError: the store has another schema or version; the error names the command that builds it anew.
    """
    schema, version = attributes.get("schema"), attributes.get("schema_version")
    if schema != SCHEMA:
        raise UserError(
            f"{storage.path} has schema {schema} version {version}, this version reads {SCHEMA} version "
            f"{SCHEMA_VERSION}: give another place, or replace it with "
            f"`{prepare_command(storage.path, 'overwrite=true')}`"
        )
    if version != SCHEMA_VERSION:
        raise UserError(
            f"{storage.path} has schema {schema} version {version}, this version reads version {SCHEMA_VERSION}: build "
            f"it again from its source with `{repair_command(storage)}`"
        )


def _is_half_built(files: Iterable[str]) -> bool:
    return any(key.startswith(f"{BUILDING}/") for key in files)


def _half_built(storage: Storage) -> UserError:
    began = prepare_command(str(storage.path).removesuffix(".partial"), "…")
    return UserError(f"{storage.path} is half built: finish it with the command that began it, `{began}`")


def _not_a_group(storage: Storage, why: str) -> UserError:
    return UserError(
        f"{storage.path} is not a readable zarr v3 group ({why}): give a store that "
        "`phaselearn prepare data.store=PATH` has built"
    )


def first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
