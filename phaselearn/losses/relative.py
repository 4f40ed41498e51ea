"""Densities as shares of the target's electrons: distances between such densities are in Å."""

from __future__ import annotations

import torch
from torch import Tensor


def relative_difference(prediction: Tensor, target: Tensor) -> Tensor:
    """Return (prediction − target) / Σ|target| for maps (B, n₁, n₂, n₃), with its mean subtracted.

    Both maps may have negative values. The scale of the prediction matters.
    """
    mass = target.abs().sum((1, 2, 3), keepdim=True)
    difference = (prediction - target) / torch.where(mass > 0, mass, 1.0)
    return difference - difference.mean((1, 2, 3), keepdim=True)
