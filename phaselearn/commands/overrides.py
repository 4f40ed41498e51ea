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
        if option in ("null", ""):
            raise UserError(
                f"{override} chooses nothing: allowed are {', '.join(options_of(group))}; leave it out for the default"
            )
        if isinstance(OverridesParser.create().parse_override(override).value(), int | float):
            raise unknown(group, option, options_of(group))  # Hydra, which knows only names, would raise a ValueError
        chosen[group] = override


def path_as_written(override: str) -> str:
    """Return an override; a path that Hydra's grammar cannot read, such as `run=it's`, is quoted."""
    key, sign, value = override.partition("=")
    if key not in _PATHS or not sign:
        return override
    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        return setting(key, value)
    return override


def value_of(override: str) -> Any:
    """Return the value of an override as a run receives it.

    Raises:
        HydraException: Hydra cannot read it.
    """
    return OmegaConf.create({"value": OverridesParser.create().parse_override(override).value()}).value
