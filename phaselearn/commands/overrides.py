"""Overrides on their way to Hydra: mistakes that it would accept are refused, paths that it cannot read are quoted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf

from phaselearn.commands.options import option_groups, options_of
from phaselearn.errors import UserError, unknown
from phaselearn.quoting import setting

_PATHS = (
    *("run", "resume", "hydra.run.dir", "hydra.sweep.dir", "folder", "page", "file", "ins", "reference"),
    *("output", "weights", "data.store", "data.build.folder", "store", "source.path", "model.weights"),
)
_RUN_FOLDERS = {"train": "run", "solve": "run", "benchmark": "run", "predict": "output"}  # keys
NEEDED = ("source", "data", "trainer", "model", "loss", "optim", "evaluation")


def check_choices(overrides: Sequence[str]) -> None:
    """Check that each config group is chosen at most once, as one of its options.

    Raises:
        UserError: a group is chosen twice (Hydra would take the last), is set to nothing, or is removed although a
            run needs it; or a value has no key.
    """
    chosen: dict[str, str] = {}
    for override in overrides:
        group, _, option = override.partition("=")
        if not group:
            raise UserError(f"{override} is a value without a key: give key=value, e.g. seed=1")
        if group.startswith("~") and group[1:] in NEEDED:
            raise UserError(f"{override}: every run needs an option of {group[1:]}: leave {override} out")
        if group not in option_groups():
            continue
        if group in chosen:
            raise UserError(f"{chosen[group]} and {override}: {group} is chosen twice, leave one of them out")
        if option in ("null", "", "[]"):
            raise UserError(
                f"{override} chooses nothing: allowed are {', '.join(options_of(group))}; leave it out for the default"
            )
        if isinstance(OverridesParser.create().parse_override(override).value(), int | float):
            raise unknown(group, option, options_of(group))  # Hydra, which knows only names, would raise a ValueError
        chosen[group] = override


def path_as_written(override: str) -> str:
    """Return an override; a path that Hydra's grammar cannot read, such as `run=it's`, is quoted.

    Raises:
        UserError: the path is empty, which the system would take for the current folder.
    """
    key, sign, value = override.partition("=")
    if key.lstrip("+") not in _PATHS or not sign:
        return override
    try:
        given = OverridesParser.create().parse_override(override).value()
    except HydraException:
        return setting(key, value)
    if not str(getattr(given, "text", given)).strip():
        raise UserError(f"{override}: no path is given: name one, or leave {key}= out")
    return override


def folder_of_all(name: str, flags: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Return the overrides; in a multirun, the key of the run folder names the folder that holds those of all jobs.

    Args:
        name: the command, such as train.
        flags: its flags.
        overrides: its overrides.

    Raises:
        UserError: several folders are named.
    """
    key = _RUN_FOLDERS.get(name)
    if key is None or not {"-m", "--multirun"} & set(flags):
        return list(overrides)
    result = []
    for override in overrides:
        given, _, value = override.partition("=")
        if given == key and OverridesParser.create().parse_override(override).is_sweep_override():
            raise UserError(f"{override}: one folder holds those of all jobs, e.g. {key}=outputs/NAME")
        result.append(f"hydra.sweep.dir={value}" if given == key else override)
    return result


def value_of(override: str) -> Any:
    """Return the value of an override as a run receives it.

    Raises:
        HydraException: Hydra cannot read it.
    """
    return OmegaConf.create({"value": OverridesParser.create().parse_override(override).value()}).value
