"""Keep API keys out of every file and message that holds a configuration or a command line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig

_KEYS = {"source.api_key": "MP_API_KEY"}  # settings that may give a key, and the environment variables for it


def take_from_arguments(arguments: list[str]) -> list[str]:
    """Move keys from the command line to the environment; return the other arguments.

    This happens before Hydra sees them, because it writes its arguments into logs, multirun.yaml and messages.
    """
    others = []
    for argument in arguments:
        name, _, value = argument.partition("=")
        variable = _KEYS.get(name.lstrip("+"))
        value = value.strip("'\"")
        if variable is None or value.startswith("${"):
            others.append(argument)
        elif value not in ("", "null"):
            os.environ[variable] = value
    return others


def take_from_config(config: DictConfig) -> None:
    """Move keys from a configuration, where a YAML file may have put them, to the environment."""
    from omegaconf import OmegaConf, open_dict

    for name, variable in _KEYS.items():
        value = OmegaConf.select(config, name)
        if value is not None:
            os.environ[variable] = str(value)
            with open_dict(config):
                OmegaConf.update(config, name, None)
