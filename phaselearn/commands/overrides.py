"""Choices of a config group that Hydra would take without a word, or fail on deep inside."""

from __future__ import annotations

from collections.abc import Sequence

from phaselearn.commands.options import option_groups, options_of
from phaselearn.errors import UserError

NEEDED = ("source", "data", "trainer", "model", "loss", "optim")


def check_choices(overrides: Sequence[str]) -> None:
    """Check that each config group is chosen once, and one of its options.

    Raises:
        UserError: a group that is chosen twice, of which Hydra takes the last; that is left empty, or out; a value
            without a key.
    """
    chosen: dict[str, str] = {}
    for override in overrides:
        group, _, option = override.partition("=")
        if not group:
            raise UserError(f"{override} is a value without a key: give key=value, e.g. seed=1")
        if group.startswith("~") and group[1:] in NEEDED:
            raise UserError(f"{override}: there is no run without a {group[1:]}, leave {override} out for the default")
        if group not in option_groups():
            continue
        if group in chosen:
            raise UserError(f"{chosen[group]} and {override}: {group} is chosen twice, leave one of them out")
        if option in ("null", ""):
            raise UserError(
                f"{override} chooses nothing: allowed are {', '.join(options_of(group))}; leave it out for the default"
            )
        chosen[group] = override
