"""Lattices: rows of `lattice` are the cell vectors a, b, c in Å; any leading batch dimensions."""

from __future__ import annotations

import torch
from torch import Tensor


def volume(lattice: Tensor) -> Tensor:
    """Return the cell volume in Å³, shape (...), of lattices (..., 3, 3), whatever their hand."""
    return torch.linalg.det(lattice).abs()


def reciprocal(lattice: Tensor) -> Tensor:
    """Return the reciprocal lattice (..., 3, 3) in 1/Å: rows a*, b*, c* with a·a* = 1 (no factor 2π)."""
    return torch.linalg.inv(lattice).mT


def metric(lattice: Tensor) -> Tensor:
    """Return the metric tensor (..., 3, 3) in Å²: |x|² = x·G·x for fractional x."""
    return lattice @ lattice.mT


def inverse_d_squared(lattice: Tensor, h: Tensor, k: Tensor | None = None, l: Tensor | None = None) -> Tensor:  # noqa: E741
    """Return s² = 1/d² in 1/Å² on the box of reflections that one list of indices an axis spans.

    Args:
        lattice: (B, 3, 3) in Å.
        h: (n₁,) Miller indices along the first axis.
        k: (n₂,) along the second; the same as h where none are given.
        l: (n₃,) along the third; the same as h where none are given.

    Returns:
        (B, n₁, n₂, n₃).
    """
    h, k, l = (h if index is None else index for index in (h, k, l))  # noqa: E741
    h, k, l = (index.to(lattice.dtype) for index in (h, k, l))  # noqa: E741
    star = metric(reciprocal(lattice))
    # s² = Σ G*_ij h_i h_j written as broadcast products, so that no list of all reflections is made.
    along = [star[:, axis, axis, None] * (index * index) for axis, index in enumerate((h, k, l))]
    result = along[0][:, :, None, None] + along[1][:, None, :, None] + along[2][:, None, None, :]
    result = result + 2 * star[:, 0, 1, None, None, None] * (h[:, None] * k)[None, :, :, None]
    result = result + 2 * star[:, 0, 2, None, None, None] * (h[:, None] * l)[None, :, None, :]
    return result + 2 * star[:, 1, 2, None, None, None] * (k[:, None] * l)[None, None, :, :]


def standard_orientation(lattice: Tensor) -> Tensor:
    """Rotate lattices (..., 3, 3) so that a lies along +x and b in the xy plane with y > 0.

    The result is lower triangular, the Protein Data Bank convention; a left-handed cell keeps its hand
    (c then points to −z).
    """
    # QR of the transposed lattice: columns a, b, c = Q R with R upper triangular; signs are then made positive.
    upper = torch.linalg.qr(lattice.mT).R
    signs = torch.sign(upper.diagonal(dim1=-2, dim2=-1))
    lower = (signs[..., :, None] * upper).mT
    determinant = torch.linalg.det(lattice)
    hand = torch.ones_like(lower[..., 0, :])
    hand[..., 2] = torch.sign(determinant)
    return lower * hand[..., None, :]
