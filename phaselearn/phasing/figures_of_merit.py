"""How good phases look without the truth: R on |F|, skewness and peakiness of the map."""

from __future__ import annotations

import torch
from torch import Tensor

from phaselearn.phasing.measurement import Measurement, magnitude, transform
from phaselearn.phasing.projections import keep_largest


def r_factor(factors: Tensor, measurement: Measurement, share: float) -> Tensor:
    """Return R = Σ||F_sparse| − |F|| / Σ|F| over measured reflections, (B,).

    F_sparse is the transform of the map with all but a share of its voxels emptied: the amplitudes of
    a map of atoms with these phases.

    Args:
        factors: half boxes (B, n, n, n/2 + 1) with the measured amplitudes.
        measurement: of the same crystals.
        share: of the voxels that hold density.
    """
    sparse = magnitude(transform(keep_largest(measurement.map_of(factors), share))) * measurement.measured
    amplitude = measurement.amplitude
    tiny = torch.finfo(amplitude.dtype).tiny
    scale = (sparse * amplitude).flatten(1).sum(1) / sparse.square().flatten(1).sum(1).clamp_min(tiny)
    difference = (scale[:, None, None, None] * sparse - amplitude).abs().flatten(1).sum(1)
    return difference / amplitude.flatten(1).sum(1).clamp_min(tiny)


def skewness(density: Tensor) -> Tensor:
    """Return the third standardised moment of maps (B, n, n, n), (B,): large for peaks on flat ground."""
    return _standardised(density).pow(3).mean(1)


def peakiness(density: Tensor) -> Tensor:
    """Return the fourth standardised moment of maps (B, n, n, n), (B,); 3 for noise."""
    return _standardised(density).pow(4).mean(1)


def _standardised(density: Tensor) -> Tensor:
    values = density.flatten(1)
    values = values - values.mean(1, keepdim=True)
    return values / values.square().mean(1, keepdim=True).sqrt().clamp_min(torch.finfo(values.dtype).tiny)
