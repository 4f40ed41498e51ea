"""What a map of atoms looks like: mostly empty, and nowhere negative."""

from __future__ import annotations

import torch
from torch import Tensor

from phaselearn.phasing.measurement import Measurement, transform, with_measured_amplitudes


def threshold(density: Tensor, share: float) -> Tensor:
    """Return (B, 1, 1, 1) the value that a share of the voxels of each map (B, n, n, n) exceeds."""
    voxels = density.flatten(1)
    rank = min(max(round((1 - share) * voxels.shape[1]), 1), voxels.shape[1])
    return voxels.kthvalue(rank, dim=1).values[:, None, None, None]


def keep_largest(density: Tensor, share: float) -> Tensor:
    """Set all but the largest voxels of each map to zero, and negative ones too: the sparsity projection."""
    return torch.where(density < threshold(density, share).clamp_min(0), 0.0, density)


def eliminate_low_density(factors: Tensor, measurement: Measurement, share: float, iterations: int) -> Tensor:
    """Refine phases by cycles that empty all but a share of the voxels (Shiono & Woolfson 1992).

    Args:
        factors: half boxes (B, n, n, n/2 + 1).
        measurement: of the same crystals.
        share: of the voxels that hold density.
        iterations: cycles.
    """
    for _ in range(iterations):
        density = keep_largest(measurement.map_of(factors), share)
        factors = with_measured_amplitudes(transform(density), measurement)
    return factors
