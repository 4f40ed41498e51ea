"""Configurations as dictionaries of plain values, and YAML files as configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from phaselearn.errors import UserError


def plain_values(config: DictConfig, resolve: bool = True) -> dict[str, Any]:
    """Return the plain values of a configuration by key.

    Args:
        config: a configuration.
        resolve: whether to replace interpolations by their values; otherwise they stay text.

    Raises:
        OmegaConfBaseException: an interpolation cannot be resolved.
    """
    content = OmegaConf.to_container(config, resolve=resolve)
    if not isinstance(content, dict):  # a node that is null
        return {}
    return {str(key): value for key, value in content.items()}


def read_config(path: Path) -> DictConfig:
    """Return a YAML file of conf/, or of a folder like it.

    Raises:
        UserError: the file holds a list instead of keys.
    """
    config = OmegaConf.load(path)
    if not isinstance(config, DictConfig):
        raise UserError(f"{path} holds a list, but an option is a set of keys: see conf/model/mlp.yaml")
    return config
