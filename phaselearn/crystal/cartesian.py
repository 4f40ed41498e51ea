"""Maps on cuboid voxels, which fill the axis-aligned bounding box of the cell; the crystal continues into its corners.

The cell is in the standard orientation (a along x, b in the xy plane). Voxel (i, j, k) is at the box's corner plus
(i/n₁, j/n₂, k/n₃) of its edges, so this frame and the fractional one are the same for an orthogonal cell.
"""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import Tensor

from phaselearn.crystal.density import CUTOFF_IN_SIGMA, blurred_structure_factors, scattering_weights
from phaselearn.crystal.lattice import reciprocal, standard_orientation, volume
from phaselearn.crystal.layout import Shape, miller_box, shape_from, shape_of


def bounding_box(lattice: Tensor) -> tuple[Tensor, Tensor]:
    """Return the corner (B, 3) and the edges (B, 3) in Å of the box around each cell in the standard orientation."""
    corners = torch.tensor(list(product((0.0, 1.0), repeat=3)), dtype=lattice.dtype, device=lattice.device)
    points = corners @ standard_orientation(lattice)
    low, high = points.amin(1), points.amax(1)
    return low, high - low


def cartesian_gaussian_density(
    lattice: Tensor, numbers: Tensor, positions: Tensor, size: int | Shape, sigma: float, weight: str = "atomic_number"
) -> Tensor:
    """Return the Gaussian density (electrons/Å³) at the voxels of the bounding box, (B, n₁, n₂, n₃).

    The arguments are those of `phaselearn.crystal.density.gaussian_density`.
    """
    shape = shape_from(size)
    weights = scattering_weights(numbers, weight).to(lattice.dtype)
    height = weights / (2 * math.pi * sigma**2) ** 1.5
    low, edges = bounding_box(lattice)
    standard = standard_orientation(lattice)
    maps = []
    # The number of images that reach the box differs from crystal to crystal, so crystals are taken one by one.
    for cell, corner, edge, heights, where in zip(standard, low, edges, height, positions, strict=True):
        margin = CUTOFF_IN_SIGMA * sigma
        images, owner = _images_in_box(cell, where[heights > 0].to(cell), corner - margin, corner + edge + margin)
        # On an orthogonal grid a Gaussian has one factor per axis, so the sum over images is one matrix product.
        x, y, z = (
            torch.exp(
                -((corner[axis] + edge[axis] * _steps(length, cell) - images[:, axis, None]) ** 2) / (2 * sigma**2)
            )
            for axis, length in enumerate(shape)
        )
        in_xy = (x * heights[heights > 0][owner, None])[:, :, None] * y[:, None, :]
        maps.append((in_xy.flatten(1).mT @ z).unflatten(0, shape[:2]))
    return torch.stack(maps)


def _steps(length: int, like: Tensor) -> Tensor:
    """Return the places (n,) of n voxels along an edge of the box, in units of the edge."""
    return torch.arange(length, device=like.device).to(like.dtype) / length


def _images_in_box(cell: Tensor, positions: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Return the images (K, 3) in Å of atoms that lie in a box, and the index (K,) of each image's atom."""
    corners = torch.tensor(list(product((0, 1), repeat=3)), dtype=cell.dtype, device=cell.device)
    fractional = (low + corners * (high - low)) @ reciprocal(cell).mT
    first = (fractional.amin(0) - 1).floor().long().tolist()
    last = fractional.amax(0).ceil().long().tolist()
    ranges = [torch.arange(a, b + 1, device=cell.device) for a, b in zip(first, last, strict=True)]
    shifts = torch.cartesian_prod(*ranges).to(cell)
    points = (positions[:, None, :] + shifts) @ cell
    inside = ((points >= low) & (points <= high)).all(-1)
    return points[inside], inside.nonzero()[:, 0]


def cartesian_band_limited_density(
    lattice: Tensor, numbers: Tensor, positions: Tensor, size: int | Shape, sigma: float, weight: str = "atomic_number"
) -> Tensor:
    """Return the band-limited density (electrons/Å³) at the voxels of the bounding box.

    The arguments and the shape are those of `phaselearn.crystal.density.band_limited_density`.
    """
    return cartesian_map(blurred_structure_factors(lattice, numbers, positions, size, sigma, weight), lattice)


def cartesian_map(factors: Tensor, lattice: Tensor) -> Tensor:
    """Return the Fourier synthesis (B, n₁, n₂, n₃) of FFT boxes at the voxels of the bounding box, in electrons/Å³."""
    shape = shape_of(factors)
    low, edges = bounding_box(lattice)
    inverse = torch.linalg.inv(standard_orientation(lattice))
    # Fractional coordinates are linear in the voxel (i, j, k). The cell is lower triangular, so x_c depends on k only
    # and x_b on j and k: the synthesis is three sums over one index each, n⁴ operations instead of n⁶.
    start = torch.einsum("bi,bij->bj", low, inverse)
    step = edges[:, :, None] * inverse
    i, j, k = (_steps(length, lattice) for length in shape)
    h, m, l = miller_box(shape, lattice.device)  # noqa: E741

    def wave(fractional: Tensor, index: Tensor) -> Tensor:
        angle = -2 * math.pi * fractional[..., None] * index
        return torch.polar(torch.ones_like(angle), angle)

    in_k = start[:, 2, None] + step[:, 2, 2, None] * k
    in_jk = start[:, 1, None, None] + step[:, 1, 1, None, None] * j[:, None] + step[:, 2, 1, None, None] * k
    in_ijk = (
        start[:, 0, None, None, None]
        + step[:, 0, 0, None, None, None] * i[:, None, None]
        + step[:, 1, 0, None, None, None] * j[:, None]
        + step[:, 2, 0, None, None, None] * k
    )
    summed = torch.einsum("bhml,bkl->bhmk", factors, wave(in_k, l))
    summed = torch.einsum("bhmk,bjkm->bhjk", summed, wave(in_jk, m))
    summed = torch.einsum("bhjk,bijkh->bijk", summed, wave(in_ijk, h))
    return summed.real / volume(lattice)[:, None, None, None]


def to_fractional_frame(density: Tensor, lattice: Tensor) -> Tensor:
    """Return maps (B, n₁, n₂, n₃) of the bounding box at the voxels of the cell, by trilinear interpolation.

    The box holds more than one cell, so a voxel has several equivalent places in it. One that lies between the box's
    samples is read.
    """
    shape = shape_of(density)
    low, edges = bounding_box(lattice)
    axes = [_steps(length, lattice) for length in shape]
    fractional = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(1, -1, 3)
    standard = standard_orientation(lattice)
    last = lattice.new_tensor([(length - 1) / length for length in shape])
    best = ((fractional @ standard) - low[:, None]) / edges[:, None]
    excess = (best - last).clamp_min(0).amax(-1)
    for image in product((-1.0, 0.0, 1.0), repeat=3):
        shifted = fractional + torch.tensor(image, dtype=lattice.dtype, device=lattice.device)
        place = (shifted @ standard - low[:, None]) / edges[:, None]
        outside = torch.maximum((place - last).clamp_min(0), (-place).clamp_min(0)).amax(-1)
        better = outside < excess - 1e-6
        best = torch.where(better[..., None], place, best)
        excess = torch.where(better, outside, excess)
    # grid_sample wants (z, y, x) in [−1, 1] between the centres of the first and the last sample.
    where = (best / last * 2 - 1).flip(-1).unflatten(1, shape)
    return torch.nn.functional.grid_sample(
        density[:, None], where.to(density.dtype), mode="bilinear", padding_mode="border", align_corners=True
    )[:, 0]
