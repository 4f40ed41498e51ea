"""The command line of a multirun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser

if TYPE_CHECKING:
    from omegaconf import DictConfig


def fixed_keys(config: DictConfig) -> set[str]:
    """Return the keys of the command line that all jobs of a multirun share."""
    given = OverridesParser.create().parse_overrides(list(config.hydra.overrides.task))
    return {override.key_or_group for override in given if not override.is_sweep_override()}
