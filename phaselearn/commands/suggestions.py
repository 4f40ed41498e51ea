"""Turn a user's mistake into one line: what was given, what is allowed, one command that helps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError

from phaselearn.commands.options import config_directory, options_of
from phaselearn.commands.starts_names import unknown_starts
from phaselearn.errors import UserError, closest, unknown
from phaselearn.files import holds_reflections
from phaselearn.quoting import command as command_line
from phaselearn.quoting import one_line, printable, setting
from phaselearn.report.run_files import CONFIG_FILE


def explain(error: Exception, name: str) -> str:
    """Return one line about a user's mistake.

    Args:
        error: an exception of the task, of Hydra or of OmegaConf.
        name: the application, such as train or prepare.
    """
    mistake = next((cause for cause in _chain(error) if isinstance(cause, UserError)), None)
    if mistake is not None:
        # An error in a loader's worker process comes with its traceback as the message, and our text at the end.
        return one_line(str(mistake).rpartition(f"{UserError.__module__}.UserError: ")[2])
    command = name_of(name)
    if isinstance(error, OverrideParseException):
        if error.override and Path(error.override).exists():
            return _path_without_key(Path(error.override), command)
        return (
            f"{error.override} cannot be read as key=value ({one_line(error.message.splitlines()[0])}); lists are "
            f"written 'key=[a,b]', special characters quoted: see `{command} --help`"
        )
    if isinstance(error, MissingConfigException):
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        options = error.options or options_of(group)  # of an option among several, Hydra does not list the others
        if group == "starts":
            return str(unknown_starts(option, command))
        if group and options:
            shown = [name for name in options if not name.startswith("_")]
            return str(unknown(group, option, shown, command=command, listed=not error.options))
    for cause in _chain(error):
        if isinstance(cause, ConfigKeyError | ConfigAttributeError) and cause.full_key:
            return _unknown_key(cause.full_key, name, command)
    text, reason = one_line(str(error)), error.__cause__
    if isinstance(error, InstantiationException) and reason is not None and str(reason) not in str(error):
        return f"{text} ({type(reason).__name__}: {one_line(str(reason))}); see `{command} --cfg job`"
    return f"{text}; see `{command} --help`"


def name_of(name: str) -> str:
    """Return how an application is typed."""
    return f"phaselearn {name.replace('_', ' ')}"


def _path_without_key(path: Path, command: str) -> str:
    """Return the help for the path of something that is there, given as a word of its own."""
    if holds_reflections(path):
        helps = f"reflections are solved by `{command_line('phaselearn solve', path)}`"
    elif path.is_dir() and (path / CONFIG_FILE).is_file():
        helps = f"a run folder is given by {setting('run', path)}"
    else:
        kind = "file" if ".jsonl" in path.suffixes else "folder"
        helps = f"structures are given by source={kind} {setting('source.path', path)}"
    return f"{printable(path)} has no key: {helps}; see `{command} --help`"


def _unknown_key(key: str, name: str, command: str) -> str:
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        composed = compose(config_name="train" if name == "evaluate" else name)
    known = _keys(OmegaConf.to_container(composed, resolve=False))
    groups = [entry.name for entry in config_directory().iterdir() if entry.is_dir()]
    if key in known:
        return f"'{key}' was taken out of the configuration, but the command needs it: leave out what does, e.g. ~{key}"
    parent, _, last = key.rpartition(".")
    # A group of another command may have the very name.
    others = [other for other in (*known, *groups) if other != key]
    siblings = [other for other in known if other.rpartition(".")[0] == parent]
    group = key.partition(".")[0]
    # The same key in another node of the group, such as data.loading.cache for data.cache; else a similar one.
    same = (other for other in known if other.startswith(f"{group}.") and other.endswith(f".{last}"))
    best = next(same, None) or closest(key, others) or closest(last, [name.rpartition(".")[2] for name in siblings])
    if best and "." not in best and parent and best not in known:
        best = f"{parent}.{best}"
    allowed = ", ".join(other.rpartition(".")[2] for other in siblings) or ", ".join(sorted(groups))
    where = f"{parent} has {allowed}" if siblings and parent else f"allowed are {allowed}"
    return (
        f"'{key}' is not a key of the configuration: {where}"
        + (f"; did you mean {best}? See " if best else "; see ")
        + f"`{command} --cfg job`; a new key of a class takes a plus: +{key}=…"
    )


def _keys(node: Any, prefix: str = "") -> list[str]:
    if not isinstance(node, dict):
        return []
    return [found for key in node for found in (f"{prefix}{key}", *_keys(node[key], f"{prefix}{key}."))]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from: Hydra wraps what a class raises in its constructor."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
