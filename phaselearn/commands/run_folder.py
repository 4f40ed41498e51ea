"""A run folder belongs to one run: one process at a time writes in it, and no other run overwrites it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phaselearn.errors import UserError
from phaselearn.locks import LockFile, held_alone
from phaselearn.plain_yaml import read_plain
from phaselearn.report.run_files import CONFIG_FILE

if TYPE_CHECKING:
    from omegaconf import DictConfig

_LOCK = "run.lock"
_MOST_NAMED = 3  # differences
_MISSING = object()


@contextmanager
def own_folder(folder: Path, config: DictConfig | None, going_on: str) -> Iterator[None]:
    """Hold a run folder; nothing is written to it before it is held.

    A run that fails before it has written anything but its configuration leaves nothing.

    Args:
        folder: the run's folder; it need not exist.
        config: the run's configuration, without the keys that name its place. A configuration in the folder must be
            the same. None for a resumed run, whose configuration may have changed.
        going_on: how to resume the run in the folder, for the error.

    Raises:
        UserError: another process holds the folder, or it holds another run.
        OSError: the folder cannot be written to.
    """
    if config is not None:
        _check_same(folder, config, going_on)
    advice = "wait for it, or name another folder, e.g. run=outputs/NAME"
    with held_alone(LockFile(folder / _LOCK, f"works in {folder}"), advice):
        if config is not None:
            _check_same(folder, config, going_on)
        is_new = _names(folder) == {_LOCK}
        try:
            yield
        except BaseException:  # Ctrl-C, too
            if is_new and _names(folder) == {_LOCK, CONFIG_FILE}:
                (folder / CONFIG_FILE).unlink()
            raise


def _names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def _check_same(folder: Path, config: DictConfig, going_on: str) -> None:
    from omegaconf import OmegaConf

    other = f"or name another folder, e.g. run=outputs/NAME; nothing was written to {folder}"
    file = folder / CONFIG_FILE
    if not file.exists():
        if any(folder.glob("*.ckpt")):
            raise UserError(
                f"{folder} holds checkpoints but no {CONFIG_FILE}, so their run is unknown: move them, {other}"
            )
        return
    try:
        there = read_plain(file)
    except ValueError as error:
        raise UserError(f"{file} is there and cannot be read ({error}): move it, {other}") from error
    asked = OmegaConf.to_container(config, resolve=True)
    different = _differences("", there, asked)
    if different:
        more = f" and {len(different) - _MOST_NAMED} more" if len(different) > _MOST_NAMED else ""
        raise UserError(f"{folder} holds another run ({'; '.join(different[:_MOST_NAMED])}{more}): {going_on}, {other}")


def _differences(path: str, there: Any, asked: Any) -> list[str]:
    """Return the differences, each as `key: VALUE there, VALUE asked`."""
    if isinstance(there, Mapping) and isinstance(asked, Mapping):
        return [
            told
            for key in [*asked, *(key for key in there if key not in asked)]
            for told in _differences(
                f"{path}.{key}" if path else str(key), there.get(key, _MISSING), asked.get(key, _MISSING)
            )
        ]
    if there == asked and type(there) is type(asked):
        return []
    return [f"{path}: {_shown(there)} there, {_shown(asked)} asked"]


def _shown(value: Any) -> str:
    text = "nothing" if value is _MISSING else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
