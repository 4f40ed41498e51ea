"""Maps and cells small enough for brute force."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

TRICLINIC = torch.tensor([[[4.0, 0.0, 0.0], [1.3, 3.7, 0.0], [-0.9, 1.1, 4.4]]], dtype=torch.float64)


def random_maps(count: int, size: int, seed: int = 0) -> Tensor:
    """Return maps (count, size, size, size) of normal deviates, float64."""
    return torch.randn(count, size, size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian(lattice: Tensor, size: int, place: list[float], width: float) -> Tensor:
    """Return a Gaussian (1, size, size, size) of unit mass at a fractional place, `width` in Å, all images."""
    axis = torch.arange(size, dtype=torch.float64) / size
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1) - torch.tensor(place, dtype=torch.float64)
    total = torch.zeros(size, size, size, dtype=torch.float64)
    for image in np.ndindex(5, 5, 5):
        moved = (grid + torch.tensor(image) - 2) @ lattice[0]
        total += torch.exp(-moved.square().sum(-1) / (2 * width**2))
    return (total / total.sum())[None]


def pairwise_cost(lattice: Tensor, size: int) -> np.ndarray:
    """Return the squared minimum-image distances (size³, size³) in Å² between all voxels, by trying 125 images."""
    index = np.stack(np.unravel_index(np.arange(size**3), (size,) * 3), -1) / size
    difference = index[:, None] - index[None]
    images = np.array(list(np.ndindex(5, 5, 5))) - 2.0
    cell = lattice[0].numpy()
    least = np.full(difference.shape[:2], np.inf)
    for image in images:
        least = np.minimum(least, (((difference - np.round(difference) + image) @ cell) ** 2).sum(-1))
    return least
