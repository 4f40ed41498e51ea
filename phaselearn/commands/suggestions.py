"""Turn a user's mistake into one line: what was given, what is allowed, one command that helps."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any

from hydra.errors import OverrideParseException
from omegaconf import OmegaConf

from phaselearn.commands.options import config_directory, options_of
from phaselearn.errors import UserError
from phaselearn.quoting import one_line


def explain(error: Exception, name: str) -> str:
    """Return one line about a user's mistake.

    Args:
        error: what the task, Hydra or OmegaConf raised.
        name: the application: train, prepare, evaluate …
    """
    mistake = _user_error(error)
    if mistake is not None:
        # A loader's worker process sends its traceback as the message; ours is the end of it.
        return one_line(str(mistake).rpartition(f"{UserError.__module__}.UserError: ")[2])
    command = name_of(name)
    text = str(error)
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override} cannot be read as key=value ({one_line(text.splitlines()[0])}); lists are written "
            f"'key=[a,b]', special characters quoted: see `{command} --help`"
        )
    if match := re.search(r"Could not (?:find|load) '([\w/.]+)/([^'/]+)'", text):
        group, option = match.groups()
        return unknown_option(group, option, options_of(group), command)
    if match := re.search(r"Could not override '([^']+)'", text):
        return _unknown_key(match[1], name, command)
    if match := re.search(r"Key '([^']+)' is not in struct", text):
        full = re.search(r"full_key: (\S+)", text)
        return _unknown_key(full[1] if full else match[1], name, command)
    cause = error.__cause__
    if "Error locating target" in text and cause is not None:
        return f"{one_line(text)} ({type(cause).__name__}: {one_line(str(cause))}); see `{command} --cfg job`"
    return f"{one_line(text)}; see `{command} --help`"


def name_of(name: str) -> str:
    """Return how an application is typed."""
    return "python train.py" if name == "train" else f"phaselearn {name.replace('_', ' ')}"


def unknown_option(group: str, option: str, options: list[str], command: str) -> str:
    """Return the line for an option that a config group does not have."""
    best = closest(option, options)
    return (
        f"{group}={option} is unknown: allowed are {', '.join(options)}"
        + (f"; did you mean {best}?" if best else "")
        + f" For example `{command} {group}={best or options[0]}`"
    )


def closest(given: str, allowed: list[str]) -> str | None:
    """Return the most similar of the allowed words, if one is similar."""
    found = get_close_matches(given, allowed, n=1, cutoff=0.6)
    return found[0] if found else None


def _unknown_key(key: str, name: str, command: str) -> str:
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        composed = compose(config_name="train" if name == "evaluate" else name)
    known = _keys(OmegaConf.to_container(composed, resolve=False))
    groups = [entry.name for entry in config_directory().iterdir() if entry.is_dir()]
    parent, _, last = key.rpartition(".")
    siblings = [other for other in known if other.rpartition(".")[0] == parent]
    best = closest(key, known + groups) or closest(last, [other.rpartition(".")[2] for other in siblings])
    if best and "." not in best and parent and best not in known:
        best = f"{parent}.{best}"
    allowed = ", ".join(other.rpartition(".")[2] for other in siblings) or ", ".join(sorted(groups))
    where = f"{parent} has {allowed}" if siblings and parent else f"allowed are {allowed}"
    return (
        f"'{key}' is not a key of the configuration: {where}"
        + (f"; did you mean {best}?" if best else "")
        + f" See `{command} --cfg job`; a new key of a class takes a plus: +{key}=…"
    )


def _keys(node: Any, prefix: str = "") -> list[str]:
    if not isinstance(node, dict):
        return []
    return [found for key in node for found in (f"{prefix}{key}", *_keys(node[key], f"{prefix}{key}."))]


def _user_error(error: BaseException | None) -> UserError | None:
    """Return our own error: Hydra wraps what a class raises in its constructor."""
    while error is not None and not isinstance(error, UserError):
        error = error.__cause__
    return error
