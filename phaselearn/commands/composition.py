"""Configurations composed outside a running command: for Python users and for tests."""

from __future__ import annotations

from contextlib import nullcontext

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from phaselearn.commands.options import config_directory
from phaselearn.commands.suggestions import explain
from phaselearn.errors import UserError
from phaselearn.precision import register_precision

_FOLDERS = {"benchmark": "run", "predict": "output", "solve": "run", "train": "run"}  # {command: key of its folder}


def composed(name: str, *choices: str) -> DictConfig:
    """Return the configuration that a command composes from these choices.

    Args:
        name: name of the command.
        choices: settings as on the command line, such as `"model=cnn"`.

    Raises:
        UserError: a choice is not allowed.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException

    register_precision()
    # Only a running command can resolve the name of its run folder.
    folder = [f"{_FOLDERS[name]}=unused"] if name in _FOLDERS else []
    # Within a command, Hydra knows the folder already and cannot be initialised twice.
    begun = GlobalHydra.instance().is_initialized()
    with nullcontext() if begun else initialize_config_dir(str(config_directory()), version_base="1.3"):
        try:
            return compose(name, [*folder, *choices])
        except (HydraException, OmegaConfBaseException) as error:
            raise UserError(explain(error, name)) from error
