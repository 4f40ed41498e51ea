"""The options that a run is made of, such as model=cnn, under the names that people give in commands."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phaselearn.errors import UserError
from phaselearn.files import write_whole
from phaselearn.plain_yaml import read_plain
from phaselearn.quoting import command, one_line, printable

OPTIONS_FILE = "options.json"
_GROUPS = ("model", "loss")


def write_options(path: Path, choices: Mapping[str, Any], overrides: Sequence[str]) -> None:
    """Write {group: option} of a run; a resumed run keeps those that it began with.

    Args:
        path: the file.
        choices: the chosen option of each config group.
        overrides: the words of the command. Where they name a class, there is no option.
    """
    if path.exists():
        return
    own = {f"{group}._target_" for group in _GROUPS} & {word.partition("=")[0].lstrip("+") for word in overrides}
    options = {group: str(choices[group]) for group in _GROUPS if choices.get(group) and f"{group}._target_" not in own}
    write_whole(path, json.dumps(options).encode())


def read_options(path: Path) -> dict[str, str]:
    """Return {group: option} of a run; empty for one without the file.

    Raises:
        UserError: the file holds something else.
    """
    if not path.is_file():
        return {}
    try:
        options = read_plain(path)
    except (OSError, ValueError) as error:
        raise _refused(path, str(error)) from error
    if not isinstance(options, dict) or not all(isinstance(option, str) for option in options.values()):
        raise _refused(path, "it is not {group: option}")
    return {group: printable(option) for group, option in options.items() if group in _GROUPS}


def _refused(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} does not name the options of a run ({one_line(reason)}): without it classes are named, "
        f"`{command('rm', path)}`"
    )


def name_of(group: str, options: Mapping[str, str], config: Mapping[str, Any]) -> str:
    """Return the option of a group, or the name of its class where there is none, or a dash.

    Args:
        group: `model` or `loss`.
        options: the run's options.
        config: the run's configuration.
    """
    node = config.get(group)
    target = node.get("_target_", "–") if isinstance(node, Mapping) else "–"
    return options.get(group) or printable(target).rpartition(".")[2]
