"""Peaks of periodic maps, interpolated between voxels, highest first: the places where a map shows atoms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from phaselearn.crystal.layout import BOX, half_box, multiplied, shape_of, unravelled
from phaselearn.crystal.minimum_image import nearer_than


@dataclass(frozen=True)
class Peaks:
    """Peaks of a batch of maps, from high to low.

    Attributes:
        positions: (B, K, 3) fractional, in [0, 1).
        heights: (B, K) in the map's unit; −inf where a map has fewer than K peaks.
    """

    positions: Tensor
    heights: Tensor


def find_peaks(density: Tensor, lattice: Tensor, count: int, separation: float | Tensor = 0.5) -> Peaks:
    """Find the highest local maxima of periodic maps.

    A peak is a voxel that none of its 26 neighbours exceeds; a quadratic through them gives its place between the
    voxels. Of two peaks that are closer than `separation`, the higher one stays.

    Args:
        density: (B, n₁, n₂, n₃); upsample coarse maps first (`fourier_upsample`). A map with a value that is not finite
            has no peaks.
        lattice: (B, 3, 3) in Å.
        count: K, the number of peaks wanted of each map.
        separation: least distance of two peaks in Å, or (B, 1, 1) that of each map.
    """
    sound = torch.isfinite(density).flatten(1).all(1)[:, None, None, None]
    density = torch.where(sound, density, 0.0)
    higher = _is_maximum(density)
    shape = shape_of(density)
    # Twice as many as wanted, since close pairs are thinned afterwards.
    kept = min(2 * count + 8, density[0].numel())
    heights, place = torch.where(higher, density, -torch.inf).flatten(1).topk(kept, dim=1)
    voxel = unravelled(place, shape)
    offset, gain = _quadratic_maximum(density, voxel)
    heights = heights + gain
    positions = ((voxel + offset) / offset.new_tensor(shape)) % 1.0
    heights, order = heights.sort(dim=1, descending=True, stable=True)
    positions = positions.gather(1, order[..., None].expand_as(positions))
    heights = torch.where(_is_shadowed(positions, heights, lattice, separation), -torch.inf, heights)
    heights, order = heights.sort(dim=1, descending=True, stable=True)
    positions = positions.gather(1, order[..., None].expand_as(positions))
    missing = count - heights.shape[1]
    if missing > 0:
        heights = torch.nn.functional.pad(heights, (0, missing), value=-torch.inf)
        positions = torch.nn.functional.pad(positions, (0, 0, 0, missing))
    return Peaks(positions[:, :count], heights[:, :count])


def _is_maximum(density: Tensor) -> Tensor:
    """Return a bool mask (B, n₁, n₂, n₃) of the voxels that none of their 26 neighbours exceeds.

    Neighbours on one side may be equal, so two equal voxels at a maximum give exactly one peak. Maxima of rows, and
    then of planes, are computed once for all the voxels that share them.
    """
    row = torch.maximum(torch.maximum(density.roll(1, -1), density.roll(-1, -1)), density)
    plane = torch.maximum(torch.maximum(row.roll(1, -2), row.roll(-1, -2)), row)
    before, behind = (
        torch.maximum(torch.maximum(plane.roll(step, -3), row.roll(step, -2)), density.roll(step, -1))
        for step in (1, -1)
    )
    return (density > before) & (density >= behind)


def _quadratic_maximum(density: Tensor, voxel: Tensor) -> tuple[Tensor, Tensor]:
    """Return the offset of the maximum in voxels (B, K, 3), at most ½, and its height above the voxel (B, K)."""
    shape = torch.tensor(shape_of(density), device=density.device)
    rows = torch.arange(len(density), device=density.device)[:, None]

    def at(*offset: int) -> Tensor:
        i, j, k = ((voxel + torch.tensor(offset, device=voxel.device)) % shape).unbind(-1)
        return density[rows, i, j, k]

    axes = torch.eye(3, dtype=torch.long).tolist()
    centre = at(0, 0, 0)
    forward = [at(*axis) for axis in axes]
    backward = [at(*(-step for step in axis)) for axis in axes]
    gradient = torch.stack([(f - b) / 2 for f, b in zip(forward, backward, strict=True)], -1)
    curvature = [f - 2 * centre + b for f, b in zip(forward, backward, strict=True)]
    hessian = torch.diag_embed(torch.stack(curvature, -1))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        both = [a + b for a, b in zip(axes[i], axes[j], strict=True)]
        apart = [a - b for a, b in zip(axes[i], axes[j], strict=True)]
        mixed = at(*both) + at(*(-x for x in both)) - at(*apart) - at(*(-x for x in apart))
        hessian[..., i, j] = hessian[..., j, i] = mixed / 4
    # In a flat or saddle-like neighbourhood the quadratic has no maximum nearby, so the peak stays at the voxel.
    eigenvalues = torch.linalg.eigvalsh(hessian)
    curved = eigenvalues[..., -1] < 1e-6 * eigenvalues[..., 0]
    safe = torch.where(curved[..., None, None], hessian, -torch.eye(3, dtype=density.dtype, device=density.device))
    offset = -torch.linalg.solve(safe, gradient[..., None]).squeeze(-1)
    offset = torch.where(curved[..., None], offset, 0.0).clamp(-0.5, 0.5)
    rise = (gradient * offset).sum(-1) + 0.5 * torch.einsum("bki,bkij,bkj->bk", offset, hessian, offset)
    return offset, rise.clamp_min(0)


def _is_shadowed(positions: Tensor, heights: Tensor, lattice: Tensor, separation: float | Tensor) -> Tensor:
    """Return (B, K) bool: whether a higher peak that stays is closer than `separation`."""
    rank = torch.arange(heights.shape[1], device=heights.device)
    close = nearer_than(positions, positions, lattice, separation) & (rank < rank[:, None])
    close &= torch.isfinite(heights)[:, None]
    shadowed = torch.zeros_like(heights, dtype=torch.bool)
    # Each pass settles the peaks whose higher neighbours are settled: a few passes, as many as the longest such chain.
    while True:
        settled = shadowed
        shadowed = (close & ~settled[:, None]).any(2)
        if torch.equal(shadowed, settled):
            return shadowed


def fourier_upsample(density: Tensor, factor: int) -> Tensor:
    """Return the band-limited interpolation (B, f n₁, f n₂, f n₃) of periodic maps (B, n₁, n₂, n₃) at a factor f.

    The mean is kept. The Nyquist planes of a map of even size are left out.
    """
    if factor == 1:
        return density
    shape = multiplied(shape_of(density), factor)
    spectrum = torch.fft.fftn(density, dim=BOX, norm="forward")
    return torch.fft.irfftn(half_box(spectrum, shape), s=shape, dim=BOX, norm="forward")
