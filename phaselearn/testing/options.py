"""Compose the options of conf/ for tests."""

from __future__ import annotations

from omegaconf import DictConfig

from phaselearn.commands.application import config_directory
from phaselearn.commands.suggestions import options_of


def options(group: str) -> list[str]:
    """Return every option of a config group."""
    return options_of(config_directory(), group)


def composed(*overrides: str, name: str = "train") -> DictConfig:
    """Return a configuration as the command line would compose it."""
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        # The name of a run folder is only known to a running application.
        folder = [] if name == "prepare" else ["run=unused"]
        return compose(config_name=name, overrides=[*overrides, *folder])
