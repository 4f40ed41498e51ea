"""Warnings before training: choices that are allowed, and under which a network learns little or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from omegaconf import DictConfig

if TYPE_CHECKING:
    from phaselearn.models.base import DensityModel


def advice(config: DictConfig, model: DensityModel) -> Iterator[str]:
    """Yield a line for each choice that does not suit another one.

    Args:
        config: the configuration of a training run.
        model: the network, with its loss.
    """
    name, loss = type(model).__name__, type(model.loss).__name__
    counted = sorted({"origin", "inversion"} - model.loss.invariances)
    for change in counted:
        told = f"{loss} counts it as an error, so that the network learns a flat mean: e.g. loss=shift_invariant"
        if change in model.undetermined:
            yield f"{name} leaves the {change} of a map open, and {told}"
        if config.data.augmentation.get(change):
            yield f"data.augmentation.{change}=true changes the {change} of the target alone, and {told}"
    for key, value in model.suited.items():
        # Crystals that are made on the fly come in the order of their numbers.
        is_free = key != "batching" or config.data.endless is None
        if is_free and config.data[key] != value:
            yield f"{name} is made for data.{key}={value}, and learns less with data.{key}={config.data[key]}"
