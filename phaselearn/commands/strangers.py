"""Configurations that somebody else may have written: those of a run folder, an artifact or a store.

They may hold plain values, and name a class where an option names it (`phaselearn.commands.known_classes`). Everything
is checked before anything is imported. SECURITY.md describes the rules.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from omegaconf import DictConfig, OmegaConf

from phaselearn.commands.known_classes import SPECIAL, TARGET, WHOLE, Keys, KnownClasses, below, known_classes
from phaselearn.errors import UserError
from phaselearn.files import foreign_entries
from phaselearn.plain_yaml import read_plain
from phaselearn.quoting import command
from phaselearn.report.run_files import CONFIG_FILE

# These keys tell Hydra what to compose and to run; no run writes them into its configuration.
_OF_HYDRA = ("hydra", "defaults")
# Paths that are only read, and paths that are created if they do not exist. Any other path or URL says where to write
# or which server to ask.
_READ = (("source", "path"), ("evaluation", "also_shown", "*"))
_READ_ANYWHERE = ("weights",)
_MADE = (("data", "store"), ("source", "snapshot"))
_WRITTEN = ("dirpath", "save_dir", "default_root_dir")  # arguments of Lightning's classes that replace the run folder
_PROSE = ("licence", "attribution", "notes")
# W&B leaves this link in the folder of each of its runs, and never writes to it again: a resumed run has a new folder.
_LOG_OF_WANDB = "wandb/*-run-*/logs/debug-core.log"
_MOST_SHOWN = 120


@dataclass(frozen=True)
class Stranger:
    """The origin of a configuration.

    Attributes:
        file: the file or store that holds it.
        command: the command by which a user takes responsibility for it.
        replaced: keys whose single values the command line replaces.
        removed: keys whose nodes the command line removes.
        options: folders like conf/ that the command line names.
    """

    file: str
    command: str
    replaced: Collection[Keys] = ()
    removed: Collection[Keys] = ()
    options: Collection[Path] = ()

    def refuse(self, what: str) -> UserError:
        """Return the error, which says what is wrong with the configuration and how to use it all the same."""
        return UserError(f"{self.file}: {what}. If you trust whoever wrote it: `{self.command}`")


def read_run_config(folder: Path, stranger: Stranger, trusted: bool, without: Collection[str] = ()) -> DictConfig:
    """Return the configuration of a run folder, after checking it.

    Args:
        folder: the run folder.
        stranger: the origin of the configuration.
        trusted: whether to skip the check and allow interpolations.
        without: top-level keys to leave out.

    Raises:
        UserError: the configuration cannot be read, or it is refused.
    """
    try:
        content = read_plain(folder / CONFIG_FILE)
        if not isinstance(content, dict):
            raise ValueError("not a set of keys")
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder / CONFIG_FILE} cannot be read ({str(error) or type(error).__name__}): a run's settings are in "
            f"it; train again with what {folder / 'command.txt'} says"
        ) from error
    # Only the command line says whom to trust.
    plain = {key: value for key, value in content.items() if key not in ("trust", *without)}
    if not trusted:
        for path, kind in foreign_entries(folder):
            if path.relative_to(folder).match(_LOG_OF_WANDB):
                continue
            copying = f": `{command('cp -rL', folder, 'COPY')}`" if path.is_symlink() else ""
            raise stranger.refuse(f"{path} is {kind}, allowed are files{copying}")
    return checked_config(plain, stranger, trusted)


def checked_config(content: Mapping[str, Any], stranger: Stranger, trusted: bool) -> DictConfig:
    """Return plain values as a configuration, after checking them.

    Args:
        content: a whole configuration.
        stranger: the origin of the configuration.
        trusted: whether to skip the check and allow interpolations.

    Raises:
        UserError: it is refused.
    """
    if not trusted:
        check_stranger(content, stranger)
    return OmegaConf.create(dict(content))


def check_stranger(config: Mapping[Any, Any], stranger: Stranger, at: str | None = None) -> None:
    """Check a configuration of plain values.

    Args:
        config: a whole configuration, or a part of one.
        stranger: the origin of the configuration.
        at: the top-level key of the part; None for a whole configuration.

    Raises:
        UserError: the configuration has a setting of Hydra's, a class that may not stand in its place, an
            interpolation, a path that would be written to, or a URL that would be asked.
    """
    known = known_classes(*stranger.options)
    keys = (at,) if at else ()
    for key in _OF_HYDRA:
        if not at and key in config:
            raise stranger.refuse(f"it has the key {key}, which is Hydra's own and in no run's configuration")
    for found, value in _check_classes(config, keys, (WHOLE, keys), known, stranger):
        _check_value(found, value, stranger)


def _check_classes(
    node: Any, keys: Keys, place: tuple[str, Keys], known: KnownClasses, stranger: Stranger
) -> Iterator[tuple[Keys, Any]]:
    """Check the classes in a node and below; yield all single values with their keys."""
    if keys in stranger.removed or (keys in stranger.replaced and not isinstance(node, Mapping)):
        return
    if isinstance(node, Mapping):
        special = {str(key): node[key] for key in node if key in SPECIAL}
        if special:
            target = _checked_class(special, keys, known.at(*place), known, stranger)
            place = (target, ())
        for key, value in node.items():
            if key not in SPECIAL:
                owner, path = place
                yield from _check_classes(value, (*keys, str(key)), (owner, below(path, str(key))), known, stranger)
    elif isinstance(node, list):
        owner, path = place
        for value in node:
            yield from _check_classes(value, (*keys, "*"), (owner, (*path, "*")), known, stranger)
    else:
        yield keys, node


def _checked_class(
    special: Mapping[str, Any], keys: Keys, allowed: Collection[str], known: KnownClasses, stranger: Stranger
) -> str:
    name, target = ".".join((*keys, TARGET)), special.get(TARGET)
    if not isinstance(target, str) or target not in allowed:
        raise stranger.refuse(
            f"{name}={_shown(target)} is not allowed, "
            + (f"there it may name {', '.join(sorted(allowed))}" if allowed else "no class may be named there")
        )
    for key, value in special.items():
        if key != TARGET and not _is_told(value, key, known.special[target]):
            raise stranger.refuse(f"{'.'.join((*keys, key))}={_shown(value)} is not allowed for {target}")
    return target


def _is_told(value: Any, key: str, told: Collection[tuple[str, Any]]) -> bool:
    return isinstance(value, bool | str) and (key, value) in told


def _check_value(keys: Keys, value: Any, stranger: Stranger) -> None:
    if value is None or isinstance(value, bool | int | float):
        return
    name = f"{'.'.join(keys)}={_shown(value)}"
    if not isinstance(value, str):
        raise stranger.refuse(f"{name} is {type(value).__name__}, allowed are texts, numbers, true, false and null")
    if "${" in value:
        raise stranger.refuse(f"{name} is not resolved, allowed are plain values")
    last = keys[-1]
    if last in _WRITTEN:
        raise stranger.refuse(f"{name} is not allowed, a run writes into its own folder")
    if last in (*_PROSE, *_READ_ANYWHERE) or keys in _READ or not _leads_out(value):
        return
    if keys not in _MADE:
        raise stranger.refuse(f"{name} leads out of this folder, allowed are paths in it")
    if not value.startswith("s3://") and not Path(value).exists():
        raise stranger.refuse(f"{name} is not there, and outside this folder nothing is made")


def _leads_out(text: str) -> bool:
    return "://" in text or text.startswith("~") or os.path.isabs(text) or ".." in PurePath(text).parts


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
