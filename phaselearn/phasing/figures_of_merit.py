"""How good phases look without the truth: R on |F|, skewness and peakiness of the map, likeness of two maps."""

from __future__ import annotations

import torch
from torch import Tensor

from phaselearn.phasing.measurement import Measurement, map_of, power, transform
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
    sparse = power(transform(keep_largest(map_of(factors), share))).sqrt_().mul_(measurement.measured)
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


def likeness(first: Tensor, second: Tensor) -> Tensor:
    """Return (B,) the highest map correlation of two sets of phases over all origins and both hands.

    The origin is found on the voxels of the grid, and between them by a parabola along each axis. `align` is exact and
    takes twenty times as long.

    Args:
        first: half boxes (B, n, n, n/2 + 1), F(000) empty, on a grid finer than the data's.
        second: the same.
    """
    hands = torch.stack((first * second.conj(), first.conj() * second.conj()), 1)
    return highest(hands) / _norms(first, second)


def overlap(first: Tensor, second: Tensor) -> Tensor:
    """Return (B,) the map correlation of half boxes as they lie, F(000) empty."""
    return _weighted((first * second.conj()).real).flatten(1).sum(1) / _norms(first, second)


def inversion(factors: Tensor) -> Tensor:
    """Return (B,) the map correlation of half boxes (B, n, n, n/2 + 1) with their own inverse, its centre anywhere."""
    return highest((factors.conj() * factors.conj())[:, None]) / _norms(factors, factors)


def highest(products: Tensor) -> Tensor:
    """Return (B,) the highest value of Σ_h P(h) exp(2πi h·t) over all t and the K products (B, K, n, n, n/2 + 1)."""
    count, size = products.shape[1], products.shape[-2]
    surface = map_of(products.flatten(0, 1)).unflatten(0, (-1, count)) * size**3
    height, place = surface.flatten(1).max(1)
    which, voxel = place // size**3, place % size**3
    at = torch.stack((voxel // size**2, voxel // size % size, voxel % size))
    rows = torch.arange(len(products), device=products.device)
    rise = torch.zeros_like(height)
    for axis in range(3):
        step = torch.zeros(3, 1, dtype=torch.long, device=products.device)
        step[axis] = 1
        ahead, behind = (surface[(rows, which, *((at + sign * step) % size))] for sign in (1, -1))
        curvature = (2 * height - ahead - behind).clamp_min(torch.finfo(height.dtype).tiny)
        rise = rise + (ahead - behind).square() / (8 * curvature)
    return height + rise


def _norms(first: Tensor, second: Tensor) -> Tensor:
    squares = [_weighted(power(half)).flatten(1).sum(1) for half in (first, second)]
    return (squares[0].sqrt() * squares[1].sqrt()).clamp_min(torch.finfo(torch.float32).tiny)


def _weighted(half: Tensor) -> Tensor:
    """Count the planes 0 < l < n/2, which stand for l < 0 too, twice."""
    weight = torch.full((half.shape[-1],), 2.0, device=half.device)
    weight[0] = weight[-1] = 1.0
    return half * weight
