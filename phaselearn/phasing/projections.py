"""Projections on maps of atoms, which are mostly empty and nowhere negative."""

from __future__ import annotations

import torch
from torch import Tensor

from phaselearn.phasing.measurement import AmplitudeConstraint, map_of, transform

# Every eleventh voxel of a large map is enough for its quantiles. No grid size is a multiple of 11, so the sample runs
# through all planes.
_STRIDE = 11
_LARGE = 16**3


def threshold(density: Tensor, share: float) -> Tensor:
    """Return (B, 1, 1, 1) the value that a share of the voxels of each map (B, n₁, n₂, n₃) reaches.

    On maps of more than 16³ voxels it is estimated from a part of them. If fewer voxels than the share are positive, it
    is positive but negligible.
    """
    voxels = density.flatten(1)
    if voxels.shape[1] > _LARGE:
        voxels = voxels[:, ::_STRIDE]
    above = min(max(round(share * voxels.shape[1]), 1), voxels.shape[1])
    largest = voxels.topk(above, dim=1, sorted=False).values
    lowest = largest.amax(1).mul(1e-6).clamp_min(1e-30)
    return torch.maximum(largest.amin(1), lowest)[:, None, None, None]


def keep_largest(density: Tensor, share: float) -> Tensor:
    """Set all but the largest share of the voxels, and all negative ones, to zero: the sparsity projection.

    The density is overwritten.
    """
    limit = threshold(density, share)
    # One `threshold_` with the same value for all maps is several times as fast as `where`.
    return torch.threshold_(density.div_(limit), 1.0, 0.0).mul_(limit)


def eliminate_low_density(factors: Tensor, constraint: AmplitudeConstraint, share: float, iterations: int) -> Tensor:
    """Refine phases by cycles that set all but a share of the voxels to zero (Shiono & Woolfson 1992).

    Args:
        factors: half boxes (B, n₁, n₂, n₃/2 + 1).
        constraint: measured amplitudes of the same crystals.
        share: share of the voxels that hold density.
        iterations: number of cycles.
    """
    for _ in range(iterations):
        factors = constraint.apply(transform(keep_largest(map_of(factors), share)))
    return factors
