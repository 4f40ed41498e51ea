"""Maps and cells small enough for brute force."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from phaselearn.crystal.layout import Shape, shape_from

TRICLINIC = torch.tensor([[[4.0, 0.0, 0.0], [1.3, 3.7, 0.0], [-0.9, 1.1, 4.4]]], dtype=torch.float64)


def random_maps(count: int, size: int | Shape, seed: int = 0) -> Tensor:
    """Return maps (count, n₁, n₂, n₃) of normal deviates, float64."""
    return torch.randn(count, *shape_from(size), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian(lattice: Tensor, size: int | Shape, place: list[float], width: float) -> Tensor:
    """Return a Gaussian (1, n₁, n₂, n₃) of unit mass at a fractional place, `width` in Å, all images."""
    grid = voxels(size) - torch.tensor(place, dtype=torch.float64)
    total = torch.zeros(shape_from(size), dtype=torch.float64)
    for image in np.ndindex(5, 5, 5):
        moved = (grid + torch.tensor(image) - 2) @ lattice[0]
        total += torch.exp(-moved.square().sum(-1) / (2 * width**2))
    return (total / total.sum())[None]


def voxels(size: int | Shape) -> Tensor:
    """Return the fractional places (n₁, n₂, n₃, 3) of the voxels."""
    axes = (torch.arange(length, dtype=torch.float64) / length for length in shape_from(size))
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)


def pairwise_cost(lattice: Tensor, size: int | Shape) -> np.ndarray:
    """Return the squared minimum-image distances (V, V) in Å² between all V voxels, by trying 125 images."""
    index = voxels(size).flatten(0, 2).numpy()
    difference = index[:, None] - index[None]
    images = np.array(list(np.ndindex(5, 5, 5))) - 2.0
    cell = lattice[0].numpy()
    least = np.full(difference.shape[:2], np.inf)
    for image in images:
        least = np.minimum(least, (((difference - np.round(difference) + image) @ cell) ** 2).sum(-1))
    return least
