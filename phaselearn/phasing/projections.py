"""What a map of atoms looks like: mostly empty, and nowhere negative."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from phaselearn.phasing.measurement import AmplitudeConstraint, map_of, transform

# Every eleventh voxel of a large map tells its quantiles; no size of grid is a multiple of 11, so that the sample runs
# through all planes.
_STRIDE = 11
_LARGE = 16**3


def threshold(density: Tensor, share: float) -> Tensor:
    """Return (B, 1, 1, 1) the value that a share of the voxels of each map (B, n, n, n) reaches.

    On maps of more than 16³ voxels it is estimated from a part of them.
    """
    voxels = density.flatten(1)
    if voxels.shape[1] > _LARGE:
        voxels = voxels[:, ::_STRIDE]
    above = min(max(round(share * voxels.shape[1]), 1), voxels.shape[1])
    return voxels.topk(above, dim=1, sorted=False).values.amin(1)[:, None, None, None]


def keep_largest(density: Tensor, share: float) -> Tensor:
    """Set all voxels up to the threshold of a share, and negative ones, to zero: the sparsity projection."""
    # Where fewer voxels than the share are positive, all of these are kept.
    lowest = density.flatten(1).amax(1)[:, None, None, None].mul(1e-6).clamp_min(1e-30)
    limit = torch.maximum(threshold(density, share), lowest)
    # One pass of `threshold` at one value for all maps is several times as fast as a choice between two tensors.
    return functional.threshold_(density / limit, 1.0, 0.0).mul_(limit)


def eliminate_low_density(factors: Tensor, constraint: AmplitudeConstraint, share: float, iterations: int) -> Tensor:
    """Refine phases by cycles that empty all but a share of the voxels (Shiono & Woolfson 1992).

    Args:
        factors: half boxes (B, n, n, n/2 + 1).
        constraint: measured amplitudes of the same crystals.
        share: of the voxels that hold density.
        iterations: cycles.
    """
    for _ in range(iterations):
        factors = constraint.apply(transform(keep_largest(map_of(factors), share)))
    return factors
