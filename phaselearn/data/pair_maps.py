"""One pair: the diffraction pattern and the density of a crystal, computed from its atoms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from phaselearn.crystal.cartesian import cartesian_band_limited_density, cartesian_gaussian_density
from phaselearn.crystal.density import band_limited_density, gaussian_density
from phaselearn.crystal.layout import Shape, held_reflections, miller_indices
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.structures import Crystal

_DENSITY = {
    ("fractional", "point"): gaussian_density,
    ("fractional", "band_limited"): band_limited_density,
    ("cartesian", "point"): cartesian_gaussian_density,
    ("cartesian", "band_limited"): cartesian_band_limited_density,
}


def pad_atoms(crystals: Sequence[Crystal]) -> tuple[Tensor, Tensor, Tensor]:
    """Return lattices (B, 3, 3), atomic numbers (B, A), padded with 0, and positions (B, A, 3), in float64."""
    most = max((len(crystal.numbers) for crystal in crystals), default=0)
    numbers = np.zeros((len(crystals), most), dtype=np.int64)
    positions = np.zeros((len(crystals), most, 3))
    for row, crystal in enumerate(crystals):
        numbers[row, : len(crystal.numbers)] = crystal.numbers
        positions[row, : len(crystal.numbers)] = crystal.positions
    lattice = np.stack([crystal.lattice for crystal in crystals])
    return torch.from_numpy(lattice), torch.from_numpy(numbers), torch.from_numpy(positions)


def pad_displacements(crystals: Sequence[Crystal]) -> Tensor | None:
    """Return U of each atom in Å², (B, A) float64, NaN where a crystal gives none; None where no crystal gives any."""
    if all(crystal.u_iso is None for crystal in crystals):
        return None
    most = max(len(crystal.numbers) for crystal in crystals)
    u_iso = np.full((len(crystals), most), np.nan)
    for row, crystal in enumerate(crystals):
        if crystal.u_iso is not None:
            # Padding is at rest: it does not scatter, and a model may read it.
            u_iso[row] = 0.0
            u_iso[row, : len(crystal.numbers)] = crystal.u_iso
    return torch.from_numpy(u_iso)


def make_pairs(
    lattice: Tensor, numbers: Tensor, positions: Tensor, definition: PairDefinition, shape: Shape | None = None
) -> tuple[Tensor, Tensor]:
    """Compute the pairs of a batch of crystals on one box.

    Args:
        lattice: lattices (B, 3, 3) in Å.
        numbers: atomic numbers (B, A), 0 for padding.
        positions: fractional positions (B, A, 3).
        definition: definition of the pairs.
        shape: n₁, n₂, n₃ of the box; None for the N³ of the definition.

    Returns:
        Intensities (B, n₁, n₂, n₃) in electrons² and densities (B, n₁, n₂, n₃) in electrons/Å³, both in the precision
        of `lattice`, with all that the box can hold.
    """
    atoms = lattice, numbers, positions
    return make_intensity(*atoms, definition, shape), make_density(*atoms, definition, shape)


def make_intensity(
    lattice: Tensor, numbers: Tensor, positions: Tensor, definition: PairDefinition, shape: Shape | None = None
) -> Tensor:
    """Compute the intensities alone; arguments and result as in `make_pairs`."""
    shape = shape or definition.box()
    h, k, l = (miller_indices(definition.layout, size) for size in shape)  # noqa: E741
    factors = structure_factors(lattice, numbers, positions, (h, k, l), definition.scattering, definition.b_iso)
    intensity = factors.real.square() + factors.imag.square()
    return intensity.mul_(held_reflections(definition.layout, shape, lattice.device))


def make_density(
    lattice: Tensor, numbers: Tensor, positions: Tensor, definition: PairDefinition, shape: Shape | None = None
) -> Tensor:
    """Compute the densities alone; arguments and result as in `make_pairs`."""
    density = _DENSITY[definition.frame, definition.sampling]
    return density(lattice, numbers, positions, shape or definition.box(), definition.sigma, definition.weight)
