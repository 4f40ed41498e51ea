"""Electron density of blurred atoms on the voxels of the unit cell, periodic and in the true metric.

ρ(r) = Σ_j w_j Σ_images G_σ(r − r_j), where G_σ is a normalised Gaussian with standard deviation σ in Å. With w_j = Z_j
the density is in electrons/Å³; it integrates to Σ w_j. Voxel (i, j, k) of a map is at (i/n₁, j/n₂, k/n₃).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from phaselearn.crystal.choices import WEIGHTS
from phaselearn.crystal.lattice import inverse_d_squared, metric, reciprocal, volume
from phaselearn.crystal.layout import BOX, Indices, Shape, inside_nyquist, miller_box, resized, shape_from, shape_of
from phaselearn.crystal.structure_factors import along_axes, geometric_sum

# Farther out, an atom has less than exp(−5.5²/2) = 3e-7 of its height, which is near the rounding of float32.
CUTOFF_IN_SIGMA = 5.5
_VALUES_AT_ONCE = 1 << 19  # Gaussian values that fit into a processor's cache


def scattering_weights(numbers: Tensor, weight: str) -> Tensor:
    """Return the weight w_j of each atom: its atomic number, or 1 (`unit`); 0 for padding.

    Args:
        numbers: (B, A) atomic numbers, 0 for padding.
        weight: `atomic_number` or `unit`.

    Returns:
        (B, A), integers.

    Raises:
        ValueError: unknown weight.
    """
    if weight == "atomic_number":
        return numbers
    if weight == "unit":
        return (numbers > 0).long()
    raise ValueError(f"unknown weight '{weight}': allowed are {', '.join(WEIGHTS)}")


def gaussian_damping(lattice: Tensor, indices: Tensor | Indices, sigma: float) -> Tensor:
    """Return the transform of G_σ, exp(−2π²σ²s²), on a box of reflections (B, n₁, n₂, n₃).

    Args:
        lattice: (B, 3, 3) in Å.
        indices: Miller indices (n₁,), (n₂,) and (n₃,) along the axes; one tensor if they are the same.
        sigma: standard deviation σ in Å.
    """
    return torch.exp(-2 * (math.pi * sigma) ** 2 * inverse_d_squared(lattice, *along_axes(indices, lattice.device)))


def map_from_structure_factors(factors: Tensor, lattice: Tensor) -> Tensor:
    """Return the Fourier synthesis ρ = Σ F(h) exp(−2πi h·x) / V of FFT boxes with Friedel symmetry.

    Args:
        factors: complex (B, n₁, n₂, n₃) in FFT order.
        lattice: (B, 3, 3) in Å.

    Returns:
        Real (B, n₁, n₂, n₃) in electrons/Å³.
    """
    shape = shape_of(factors)
    half = factors[..., : shape[2] // 2 + 1].conj()
    synthesis = torch.fft.irfftn(half, s=shape, dim=BOX, norm="forward")
    return synthesis / volume(lattice)[:, None, None, None]


def structure_factors_from_map(density: Tensor, lattice: Tensor) -> Tensor:
    """Return the structure factors F = ∫ρ exp(2πi h·x) of maps, the inverse of `map_from_structure_factors`.

    Args:
        density: real (B, n₁, n₂, n₃) in electrons/Å³; half precision is raised to float32.
        lattice: (B, 3, 3) in Å.

    Returns:
        Complex FFT boxes (B, n₁, n₂, n₃) in electrons.
    """
    density = density if density.dtype == torch.float64 else density.float()
    factors = torch.fft.ifftn(density, dim=BOX)
    return factors * volume(lattice)[:, None, None, None]


def interpolated(maps: Tensor, shape: Shape) -> Tensor:
    """Return periodic maps (B, m₁, m₂, m₃) on other voxels, (B, n₁, n₂, n₃), by their Fourier series.

    Nyquist planes are left out, and so are the frequencies that the other voxels cannot hold.
    """
    if shape_of(maps) == shape:
        return maps
    return torch.fft.fftn(resized(torch.fft.ifftn(maps, dim=BOX), shape), dim=BOX).real


def band_limited_density(
    lattice: Tensor, numbers: Tensor, positions: Tensor, size: int | Shape, sigma: float, weight: str = "atomic_number"
) -> Tensor:
    """Return the Fourier synthesis of F·exp(−2π²σ²s²) on the FFT box: all frequencies that its voxels can hold.

    Args:
        lattice: (B, 3, 3) in Å.
        numbers: (B, A) atomic numbers, 0 for padding.
        positions: (B, A, 3) fractional.
        size: voxels n₁, n₂, n₃ along the axes, or one number if they are equal.
        sigma: standard deviation of an atom in Å.
        weight: `atomic_number` or `unit`.

    Returns:
        (B, n₁, n₂, n₃) in electrons/Å³. Map and structure factors are an exact Fourier pair, so the map has
        ripples.
    """
    return map_from_structure_factors(
        blurred_structure_factors(lattice, numbers, positions, size, sigma, weight), lattice
    )


def blurred_structure_factors(
    lattice: Tensor, numbers: Tensor, positions: Tensor, size: int | Shape, sigma: float, weight: str = "atomic_number"
) -> Tensor:
    """Return F·exp(−2π²σ²s²) on the FFT box with empty Nyquist planes, complex (B, n₁, n₂, n₃).

    The arguments are those of `band_limited_density`.
    """
    shape = shape_from(size)
    indices = miller_box(shape)
    weights = scattering_weights(numbers, weight)
    factors = geometric_sum(weights.to(lattice.dtype), positions, indices)
    return factors * gaussian_damping(lattice, indices, sigma) * inside_nyquist(shape, lattice.device)


def gaussian_density(
    lattice: Tensor, numbers: Tensor, positions: Tensor, size: int | Shape, sigma: float, weight: str = "atomic_number"
) -> Tensor:
    """Return the Gaussian density sampled at the voxels, periodic images included.

    If σ is less than a voxel, the samples alias: an atom between voxels fades, and the sum over voxels is no longer
    Σ w_j. Arguments, shape and unit are those of `band_limited_density`.
    """
    # Each atom is spread over a window of voxels around it. A window that is wider than the cell wraps onto itself,
    # which is the sum over images. Atoms with equal windows are spread together.
    shape = shape_from(size)
    crystal, atom = (numbers > 0).nonzero(as_tuple=True)
    plane_spacing = 1 / reciprocal(lattice).norm(dim=-1)
    reach = lattice.new_tensor([CUTOFF_IN_SIGMA * sigma * length for length in shape])
    half_widths = torch.ceil(reach / plane_spacing + 0.5).long()
    windows, group_of = torch.unique(half_widths, dim=0, return_inverse=True)
    order = group_of[crystal].argsort(stable=True)
    crystal, atom = crystal[order], atom[order]
    grid = positions[crystal, atom].to(lattice.dtype) * lattice.new_tensor(shape)
    weights = scattering_weights(numbers, weight).to(lattice.dtype)[crystal, atom]
    log_height = (weights / (2 * math.pi * sigma**2) ** 1.5).log()
    # −½(r/σ)² of one voxel along each pair of axes
    scale = lattice.new_tensor([[-0.5 / (n * sigma * (m * sigma)) for m in shape] for n in shape])
    form = (metric(lattice) * scale)[crystal]
    atoms_in_group = torch.bincount(group_of[crystal], minlength=len(windows)).tolist()
    flat = lattice.new_zeros(len(lattice) * math.prod(shape))
    for window, *group in zip(
        windows.tolist(), *(values.split(atoms_in_group) for values in (crystal, grid, log_height, form)), strict=True
    ):
        atoms_a_chunk = max(1, _VALUES_AT_ONCE // math.prod(2 * width + 1 for width in window))
        parts = (values.split(atoms_a_chunk) for values in group)
        for which, centres, heights, forms in zip(*parts, strict=True):
            places, values = _spread(which, centres, heights, forms, window, shape)
            flat.scatter_add_(0, places.flatten(), values.flatten())
    return flat.unflatten(0, (len(lattice), *shape))


def _spread(
    crystal: Tensor, grid: Tensor, log_height: Tensor, form: Tensor, window: list[int], shape: Shape
) -> tuple[Tensor, Tensor]:
    """Return the number of each voxel in each atom's window, and the Gaussian's value there, both (K, w, w, w).

    Args:
        crystal: (K,) number of the map that the atom belongs to.
        grid: (K, 3) positions in voxels.
        log_height: (K,) logarithm of the Gaussian's maximum.
        form: (K, 3, 3) quadratic form of the exponent, for distances in voxels.
        window: half widths of the window, in voxels along each axis.
        shape: voxels n₁, n₂, n₃ of the map.
    """
    nearest = grid.round()
    first, away = nearest.long(), nearest - grid
    offsets = [torch.arange(-width, width + 1, device=grid.device) for width in window]
    i, j, k = ((first[:, axis, None] + offset) % shape[axis] for axis, offset in enumerate(offsets))
    x, y, z = (away[:, axis, None] + offset for axis, offset in enumerate(offsets))
    xx, yy, zz = form.diagonal(dim1=1, dim2=2).mT[:, :, None]
    xy, xz, yz = (2 * form[:, a, b, None] for a, b in ((0, 1), (0, 2), (1, 2)))
    # The exponent is a sum of three terms, each of two axes: one pass over the window's voxels for each.
    in_xy = (x * x * xx + log_height[:, None])[:, :, None] + (xy * x)[:, :, None] * y[:, None, :]
    in_xz = (xz * x)[:, :, None] * z[:, None, :]
    in_yz = (y * y * yy)[:, :, None] + (yz * y)[:, :, None] * z[:, None, :] + (z * z * zz)[:, None, :]
    exponent = in_xy[:, :, :, None] + in_xz[:, :, None, :]
    exponent += in_yz[:, None, :, :]
    row = ((crystal[:, None] * shape[0] + i) * shape[1])[:, :, None] + j[:, None, :]
    places = (row * shape[2])[:, :, :, None] + k[:, None, None, :]
    return places, exponent.exp_()
