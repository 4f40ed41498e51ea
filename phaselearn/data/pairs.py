"""One pair: the diffraction pattern and the density of a crystal, as a data configuration defines them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from phaselearn.crystal.cartesian import cartesian_band_limited_density, cartesian_gaussian_density
from phaselearn.crystal.density import SAMPLINGS, WEIGHTS, band_limited_density, gaussian_density
from phaselearn.crystal.layout import LAYOUTS, Shape, held_reflections, miller_indices
from phaselearn.crystal.scattering import SCATTERING
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.data.structures import Crystal
from phaselearn.errors import UserError, choose

FRAMES = ("fractional", "cartesian")

_DENSITY = {
    ("fractional", "point"): gaussian_density,
    ("fractional", "band_limited"): band_limited_density,
    ("cartesian", "point"): cartesian_gaussian_density,
    ("cartesian", "band_limited"): cartesian_band_limited_density,
}


@dataclass(frozen=True)
class PairDefinition:
    """The definition of the pairs in a store; stores with equal definitions hold comparable pairs.

    Attributes:
        size: N, number of points along each axis of pattern and map.
        layout: layout of the pattern, `octant` or `full` (see `phaselearn.crystal.layout`).
        scattering: form factors of the atoms, `atomic_number`, `xray`, `electron` or `neutron`.
        b_iso: isotropic displacement parameter of all atoms in the intensities, in Å².
        weight: weight of an atom in the density, `atomic_number` or `unit`.
        sigma: standard deviation of an atom in the density, in Å.
        frame: frame of the voxels, `fractional` or `cartesian`.
        sampling: how the density is sampled, `point` or `band_limited`.

    Raises:
        UserError: a value is not allowed.
    """

    size: int
    layout: str
    scattering: str
    b_iso: float
    weight: str
    sigma: float
    frame: str
    sampling: str

    def __post_init__(self) -> None:
        allowed = {
            "layout": LAYOUTS,
            "scattering": SCATTERING,
            "weight": WEIGHTS,
            "frame": FRAMES,
            "sampling": SAMPLINGS,
        }
        for name, options in allowed.items():
            choose(f"data.definition.{name}", getattr(self, name), options, command="phaselearn train")
        if self.size < 4 or self.size % 2:
            raise _refused("size", self.size, "an even number of at least 4", 10)
        if self.sigma <= 0:
            raise _refused("sigma", self.sigma, "a positive width in Å", 0.35)
        if self.b_iso < 0:
            raise _refused("b_iso", self.b_iso, "at least 0 Å²", 1.0)

    def as_dict(self) -> dict[str, object]:
        """Return the definition as plain values."""
        return asdict(self)

    def difference(self, other: PairDefinition) -> dict[str, tuple[object, object]]:
        """Return the values that differ, as {name: (own value, other value)}."""
        mine, theirs = self.as_dict(), other.as_dict()
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}


def _refused(key: str, given: float, needed: str, example: float) -> UserError:
    key = f"data.definition.{key}"
    return UserError(f"{key}={given}: {needed} is needed, e.g. {key}={example}")


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
    shape = shape or (definition.size,) * 3
    h, k, l = (miller_indices(definition.layout, size) for size in shape)  # noqa: E741
    factors = structure_factors(lattice, numbers, positions, (h, k, l), definition.scattering, definition.b_iso)
    intensity = factors.real.square() + factors.imag.square()
    return intensity.mul_(held_reflections(definition.layout, shape, lattice.device))


def make_density(
    lattice: Tensor, numbers: Tensor, positions: Tensor, definition: PairDefinition, shape: Shape | None = None
) -> Tensor:
    """Compute the densities alone; arguments and result as in `make_pairs`."""
    density = _DENSITY[definition.frame, definition.sampling]
    return density(lattice, numbers, positions, shape or (definition.size,) * 3, definition.sigma, definition.weight)
