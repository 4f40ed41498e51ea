"""Refuse to read other crystals than a command asks for, or than those of the run that it goes on with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from phaselearn.errors import UserError
from phaselearn.quoting import command, setting

if TYPE_CHECKING:
    from phaselearn.data.datamodule import PairDataModule
    from phaselearn.report.training_set import TrainingSet


def check_source(data: PairDataModule, overrides: Iterable[str]) -> None:
    """Refuse a source that was named beside a store of other crystals, which would be read instead.

    Args:
        data: the data module.
        overrides: the overrides of the command.

    Raises:
        UserError: the store is there, and was not built from this source.
    """
    store, source = data.configured_store, named_source(overrides)
    # Endless training takes its crystals from the source, and those that it is judged on from the store.
    if source is None or store.place is None or data.endless is not None or not store.is_there():
        return
    if store.source is not None and store.fingerprint() != store.source.fingerprint():
        name = store.open().attributes["source"]["name"]
        raise UserError(
            f"{source}: data.store={store.place} is there and holds other crystals (of {name}): leave the source out, "
            f"or name another store, e.g. `{command('phaselearn prepare', source, 'data.store=NEW.zarr')}`"
        )


def check_unchanged(data: PairDataModule, earlier: TrainingSet, overrides: Iterable[str], again: str) -> None:
    """Refuse to go on with other crystals than a run had, unless the command names them.

    Args:
        data: the data module of the run's configuration.
        earlier: the crystals that the run was trained on.
        overrides: the overrides of the command.
        again: the command that goes on, such as `phaselearn train resume=RUN`.

    Raises:
        UserError: the source or the store holds other crystals than it did.
    """
    if named_source(overrides) is not None or any(_key(override) == ["data", "store"] for override in overrides):
        return
    store = data.configured_store
    if earlier.fingerprint is not None and store.fingerprint() != earlier.fingerprint:
        place, key = (store.place, "data.store") if store.place else (store.source_config.get("path"), "source.path")
        named = setting(key, place) if place else "data.store=PATH"
        raise UserError(
            f"{place or 'the source'} holds other crystals than those that the run was trained on: put them back, or "
            f"take the new ones by their name, `{again} {named}`"
        )


def named_source(overrides: Iterable[str]) -> str | None:
    """Return the first override of the source of the crystals; None if there is none."""
    return next((override for override in overrides if _key(override)[0] == "source"), None)


def _key(override: str) -> list[str]:
    return override.partition("=")[0].lstrip("+~").split("@")[0].split(".")
