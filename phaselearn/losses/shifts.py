"""Shifts of maps in the cell: the overlap at all shifts at once, and the best shift, on voxels or between them."""

from __future__ import annotations

import torch
from torch import Tensor

from phaselearn.crystal.alignment import Alignment, align
from phaselearn.crystal.layout import inside_nyquist, shape_of

_AXES = (-3, -2, -1)


def cross_correlation(first: Tensor, second: Tensor, inversion: bool) -> Tensor:
    """Return the overlaps Σ_r first(r) second(±r − t) for every whole shift t, by the correlation theorem.

    Args:
        first: (B, n₁, n₂, n₃) real map.
        second: (B, n₁, n₂, n₃) real map.
        inversion: also compute the overlaps with `second` inverted in the origin.

    Returns:
        (B, H, n₁, n₂, n₃), with the shift t in voxels along the last three axes. H is 1, or 2 with the inverted map
        last.
    """
    size = first.shape[-3:]
    spectrum, other = (torch.fft.rfftn(maps, dim=_AXES) for maps in (first, second))
    product = [spectrum * other.conj()]
    if inversion:
        # The inverted map has the conjugate transform.
        product.append(spectrum * other)
    return torch.fft.irfftn(torch.stack(product, 1), s=size, dim=_AXES)


def shifted(maps: Tensor, shift: Tensor, inverted: Tensor) -> Tensor:
    """Return ρ(±r − t): maps (B, n₁, n₂, n₃), inverted where `inverted` (B,), then moved by whole shifts (B, 3)."""
    sign = torch.where(inverted, -1, 1)[:, None]
    # A voxel of the moved map is read at ±(voxel − shift).
    x, y, z = (
        (sign * (torch.arange(size, device=maps.device) - shift[:, axis, None])) % size
        for axis, size in enumerate(maps.shape[1:])
    )
    # One flat index: indexing by four broadcast arrays takes five times as long.
    place = (x[:, :, None] * maps.shape[2] + y[:, None, :])[..., None] * maps.shape[3] + z[:, None, None, :]
    return maps.flatten(1).gather(1, place.flatten(1)).view_as(maps)


def best_shift(overlap: Tensor) -> tuple[Tensor, Tensor]:
    """Return the shift (B, 3) of the greatest overlap (B, H, n₁, n₂, n₃), and whether its map is inverted (B,)."""
    # The maximum of each row is fast to find, and then only one row is searched for its place.
    row = overlap.amax(-1)
    hand, x, y = torch.unravel_index(row.flatten(1).argmax(1), row.shape[1:])
    z = overlap[torch.arange(len(overlap), device=overlap.device), hand, x, y].argmax(-1)
    return torch.stack((x, y, z), 1), hand == 1


def best_alignment(moving: Tensor, fixed: Tensor, refine: bool, inversion: bool) -> Alignment:
    """Return the shift and the hand that superimpose one map (B, n₁, n₂, n₃) on another with the highest correlation.

    Nyquist planes are left out. With `refine` the shift may lie between voxels.
    """
    inside = inside_nyquist(shape_of(moving), moving.device)
    first, second = (torch.fft.ifftn(maps.detach(), dim=_AXES) * inside for maps in (moving, fixed))
    return align(first, second, refine=refine, inversion=inversion)


def laid(maps: Tensor, alignment: Alignment) -> Tensor:
    """Move maps (B, n₁, n₂, n₃) by an alignment, through their Fourier series; differentiable.

    Nyquist planes have no phase, so they are multiplied by the cosine of the shift.
    """
    return torch.fft.fftn(alignment.apply(torch.fft.ifftn(maps, dim=_AXES)), dim=_AXES).real
