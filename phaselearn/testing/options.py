"""Options of conf/, and of your own package's conf/, composed for tests."""

from __future__ import annotations

from omegaconf import DictConfig

from phaselearn.commands import composition
from phaselearn.commands.options import options_of


def options(group: str, package: str | None = None) -> list[str]:
    """Return the names of the options of a config group; with `package`, only those of that package."""
    return options_of(group, package)


def composed(*overrides: str, name: str = "train") -> DictConfig:
    """Return the configuration that the command line composes from these overrides."""
    return composition.composed(name, *overrides)
