"""Figures of merit that need no truth: R on |F|, skewness and kurtosis of a map, map correlation of two."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from phaselearn.crystal.layout import BOX
from phaselearn.phasing.measurement import Measurement, map_of, map_shape, power, transform
from phaselearn.phasing.projections import keep_largest

DENSITY_SHARE = 0.16  # of the voxels that R keeps where solutions of different methods are judged


def r_factor(factors: Tensor, measurement: Measurement, share: float) -> Tensor:
    """Return R = Σ||F_sparse| − |F|| / Σ|F| over measured reflections, (B,).

    F_sparse is the transform of the map after all but a share of its voxels are set to zero. Its amplitudes are those
    of a map of atoms with these phases.

    Args:
        factors: half boxes (B, n₁, n₂, n₃/2 + 1) with the measured amplitudes.
        measurement: the crystals' measured amplitudes.
        share: share of the voxels that hold density.
    """
    sparse = power(transform(keep_largest(map_of(factors), share))).sqrt_().mul_(measurement.measured)
    amplitude = measurement.amplitude
    tiny = torch.finfo(amplitude.dtype).tiny
    scale = (sparse * amplitude).flatten(1).sum(1) / sparse.square().flatten(1).sum(1).clamp_min(tiny)
    difference = (scale[:, None, None, None] * sparse - amplitude).abs().flatten(1).sum(1)
    return difference / amplitude.flatten(1).sum(1).clamp_min(tiny)


def skewness(density: Tensor) -> Tensor:
    """Return the third standardised moment of maps (B, n₁, n₂, n₃), (B,): large for peaks on flat ground."""
    return _standardised(density).pow(3).mean(1)


def peakiness(density: Tensor) -> Tensor:
    """Return the fourth standardised moment of maps (B, n₁, n₂, n₃), (B,); 3 for noise."""
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
        first: half boxes (B, n₁, n₂, n₃/2 + 1), F(000) empty, on a grid finer than the data's.
        second: half boxes on the same grid.
    """
    # The other hand of the first has conjugate factors. This turns t into −t, which leaves the highest value the same.
    hands = torch.stack((first * second.conj(), first * second), 1)
    return highest(hands) / _norms(first, second)


def overlap(first: Tensor, second: Tensor) -> Tensor:
    """Return (B,) the map correlation of half boxes without alignment, F(000) empty."""
    products = torch.view_as_real(first) * torch.view_as_real(second)
    return _over_all(lambda part: part.flatten(1).sum(1), products) / _norms(first, second)


def inversion(factors: Tensor) -> Tensor:
    """Return (B,) the map correlation of half boxes with their own inverse, about the best centre."""
    return highest((factors * factors)[:, None]) / _norms(factors, factors)


def highest(products: Tensor) -> Tensor:
    """Return (B,) the highest value of Σ_h P(h) exp(2πi h·t) over all t and the K products (B, K, n₁, n₂, n₃/2 + 1)."""
    shape = map_shape(products)
    surface = torch.fft.irfftn(products, s=shape, dim=BOX, norm="forward")
    height, place = surface.flatten(1).max(1)
    which, *at = torch.unravel_index(place, surface.shape[1:])
    rows = torch.arange(len(products), device=products.device)
    rise = torch.zeros_like(height)
    for axis, size in enumerate(shape):
        ahead, behind = (
            surface[(rows, which, *(at[:axis]), (at[axis] + step) % size, *(at[axis + 1 :]))] for step in (1, -1)
        )
        curvature = (2 * height - ahead - behind).clamp_min(torch.finfo(height.dtype).tiny)
        rise = rise + (ahead - behind).square() / (8 * curvature)
    return height + rise


def _norms(first: Tensor, second: Tensor) -> Tensor:
    def squares(part: Tensor) -> Tensor:
        return torch.linalg.vector_norm(part.flatten(1), dim=1).square()

    norms = [_over_all(squares, torch.view_as_real(half)).sqrt() for half in (first, second)]
    return (norms[0] * norms[1]).clamp_min(torch.finfo(norms[0].dtype).tiny)


def _over_all(total: Callable[[Tensor], Tensor], half: Tensor) -> Tensor:
    """Return a sum over all reflections of half boxes (B, n₁, n₂, n₃/2 + 1, 2); those with 0 < l < n₃/2 count twice."""
    return 2 * total(half) - total(half[..., 0, :]) - total(half[..., -1, :])
