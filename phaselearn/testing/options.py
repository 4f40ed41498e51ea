"""Options of conf/, and of your own package's conf/, composed for tests."""

from __future__ import annotations

from omegaconf import DictConfig

from phaselearn.commands.options import config_directory, options_of
from phaselearn.commands.precision import register_precision


def options(group: str, package: str | None = None) -> list[str]:
    """Return the names of the options of a config group; with `package`, only those of that package."""
    return options_of(group, package)


def composed(*overrides: str, name: str = "train") -> DictConfig:
    """Return the configuration that the command line composes from these overrides."""
    from hydra import compose, initialize_config_dir

    register_precision()
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        # Only a running application can resolve the name of its run folder.
        folder = [] if name == "prepare" else ["run=unused"]
        return compose(config_name=name, overrides=[*overrides, *folder])
