"""Compose the options of conf/, and of your own package's conf/, for tests."""

from __future__ import annotations

from omegaconf import DictConfig

from phaselearn.commands.options import config_directory, options_of
from phaselearn.commands.precision import register_precision


def options(group: str, package: str | None = None) -> list[str]:
    """Return every option of a config group; `package` names one whose options alone are wanted."""
    return options_of(group, package)


def composed(*overrides: str, name: str = "train") -> DictConfig:
    """Return a configuration as the command line would compose it."""
    from hydra import compose, initialize_config_dir

    register_precision()
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        # The name of a run folder is only known to a running application.
        folder = [] if name == "prepare" else ["run=unused"]
        return compose(config_name=name, overrides=[*overrides, *folder])
