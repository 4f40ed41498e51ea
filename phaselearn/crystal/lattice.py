"""Lattices: the rows of `lattice` are the cell vectors a, b, c in Å; leading batch dimensions are free."""

from __future__ import annotations

import torch
from torch import Tensor


def volume(lattice: Tensor) -> Tensor:
    """Return the cell volume (...) in Å³ of lattices (..., 3, 3); it is positive for either hand."""
    return torch.linalg.det(lattice).abs()


def reciprocal(lattice: Tensor) -> Tensor:
    """Return the reciprocal lattice (..., 3, 3) in 1/Å, with rows a*, b*, c* and a·a* = 1 (no factor 2π)."""
    return torch.linalg.inv(lattice).mT


def metric(lattice: Tensor) -> Tensor:
    """Return the metric tensor G (..., 3, 3) in Å², with |x|² = x·G·x for fractional x."""
    return lattice @ lattice.mT


def inverse_d_squared(lattice: Tensor, h: Tensor, k: Tensor | None = None, l: Tensor | None = None) -> Tensor:  # noqa: E741
    """Return s² = 1/d² in 1/Å² on a box of reflections.

    Args:
        lattice: (B, 3, 3) in Å.
        h: (n₁,) Miller indices along the first axis.
        k: (n₂,) Miller indices along the second axis; None for those of the first.
        l: (n₃,) Miller indices along the third axis; None for those of the first.

    Returns:
        (B, n₁, n₂, n₃).
    """
    h, k, l = (h if index is None else index for index in (h, k, l))  # noqa: E741
    h, k, l = (index.to(lattice.dtype) for index in (h, k, l))  # noqa: E741
    star = metric(reciprocal(lattice))
    # s² = Σ G*_ij h_i h_j as broadcast products, which need no list of all reflections.
    along = [star[:, axis, axis, None] * (index * index) for axis, index in enumerate((h, k, l))]
    result = along[0][:, :, None, None] + along[1][:, None, :, None] + along[2][:, None, None, :]
    result = result + 2 * star[:, 0, 1, None, None, None] * (h[:, None] * k)[None, :, :, None]
    result = result + 2 * star[:, 0, 2, None, None, None] * (h[:, None] * l)[None, :, None, :]
    return result + 2 * star[:, 1, 2, None, None, None] * (k[:, None] * l)[None, None, :, :]


def standard_orientation(lattice: Tensor) -> Tensor:
    """Rotate lattices (..., 3, 3) so that a lies along +x and b in the xy plane with y > 0.

    The result is lower triangular, as in the Protein Data Bank's convention. A left-handed cell keeps its hand, so its
    c points to −z.
    """
    # QR of the transposed lattice: columns a, b, c = Q R with R upper triangular, whose diagonal is made positive.
    upper = torch.linalg.qr(lattice.mT).R
    signs = torch.sign(upper.diagonal(dim1=-2, dim2=-1))
    lower = (signs[..., :, None] * upper).mT
    determinant = torch.linalg.det(lattice)
    hand = torch.ones_like(lower[..., 0, :])
    hand[..., 2] = torch.sign(determinant)
    return lower * hand[..., None, :]
