"""The sample: the probe, and how far its atoms are displaced. Its intensities are calculated from its atoms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from phaselearn.crystal.choices import LARGEST_ATOMIC_NUMBER, SCATTERING
from phaselearn.crystal.layout import Shape, friedel_mate, held_reflections, miller_indices
from phaselearn.crystal.minimum_image import minimum_image_distance
from phaselearn.crystal.scattering import Scattering
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.data.preparation.draws import Range, check_range, generators, limits, uniform
from phaselearn.errors import choose

_ELEMENT_SPREAD = 0.25  # standard deviation of ln U between the elements of a crystal
_CROWDING = 1.0  # fall of ln U with the relative density of a site's neighbours
_REACH = 2.0  # Å, standard deviation of the Gaussian by which neighbours count the less the farther they are


@dataclass(frozen=True)
class Sample:
    """The probe, and the displacements of the atoms.

    A crystal's mean U is drawn, uniform in its logarithm. The elements deviate from it at random, and atoms in crowded
    places move less. Symmetry-equivalent atoms have the same U, so no draw breaks the space group.

    Attributes:
        scattering: `atomic_number`, `xray`, `electron` or `neutron`.
        u_iso: displacement parameter U in Å², or a range [low, high] of it. All atoms of a crystal stay within the
            range. Atoms whose structure says their U keep it.
    """

    scattering: str = "xray"
    u_iso: Range = 0.0

    def __post_init__(self) -> None:
        choose("observation.sample.scattering", self.scattering, SCATTERING)
        check_range("observation.sample.u_iso", self.u_iso, 0, 1, "[0.005,0.06]")

    @property
    def is_random(self) -> bool:
        """Whether displacements are drawn."""
        low, high = limits(self.u_iso)
        return low < high

    def displacements(
        self, lattice: Tensor, numbers: Tensor, positions: Tensor, seeds: Sequence[int], known: Tensor | None = None
    ) -> Tensor:
        """Return U of each atom in Å², (B, A) float64.

        Args:
            lattice: (B, 3, 3) in Å.
            numbers: (B, A) atomic numbers, 0 for padding.
            positions: (B, A, 3) fractional.
            seeds: B seeds, one for each crystal.
            known: (B, A) U of the structures in Å², NaN where they give none; None where none gives any.
        """
        low, high = limits(self.u_iso)
        u_iso = torch.full(numbers.shape, float(low), dtype=torch.float64)
        if low < high:
            # A range that begins at zero has no logarithm there.
            mean = uniform((max(low, 1e-3 * high), high), generators(seeds, "u_iso"), logarithmic=True)[:, None]
            between = torch.stack(
                [
                    torch.randn(LARGEST_ATOMIC_NUMBER + 1, generator=random)
                    for random in generators(seeds, "u_iso of elements")
                ]
            )
            exponent = _ELEMENT_SPREAD * between.gather(1, numbers) - _CROWDING * _crowding(lattice, numbers, positions)
            u_iso = (mean * exponent.exp()).clamp(low, high)
        return u_iso if known is None else torch.where(known.isnan(), u_iso, known.double())

    def intensity(
        self, lattice: Tensor, numbers: Tensor, positions: Tensor, u_iso: Tensor, layout: str, shape: Shape
    ) -> Tensor:
        """Return the ideal intensities (B, n₁, n₂, n₃) in the precision of `lattice`.

        Args:
            lattice: (B, 3, 3) in Å.
            numbers: (B, A) atomic numbers, 0 for padding.
            positions: (B, A, 3) fractional.
            u_iso: (B, A) in Å².
            layout: `octant` or `full`.
            shape: n₁, n₂, n₃.
        """
        h, k, l = (miller_indices(layout, size).to(lattice.device) for size in shape)  # noqa: E741
        scattering = Scattering(self.scattering, u_iso if u_iso.any() else None)
        held = held_reflections(layout, shape, lattice.device)
        if layout == "octant":
            factors = structure_factors(lattice, numbers, positions, (h, k, l), scattering)
            return factors.abs().square() * held
        # Friedel mates are equal: one half of the box is enough, l = 0, 1, … n₃/2 − 1.
        half = h, k, l[: shape[2] // 2]
        box = lattice.new_zeros((len(lattice), *shape))
        factors = structure_factors(lattice, numbers, positions, half, scattering)
        box[..., : shape[2] // 2] = factors.abs().square()
        return torch.where(l >= 0, box, friedel_mate(box)) * held


def _crowding(lattice: Tensor, numbers: Tensor, positions: Tensor) -> Tensor:
    """Return by how much each site is closer packed than the crystal's mean, (B, A) float32, 0 for the mean.

    It depends on distances alone, so that equivalent sites have the same.
    """
    present, positions = (numbers > 0).float(), positions.float()
    near = torch.exp(-0.5 * (minimum_image_distance(positions, positions, lattice) / _REACH).square())
    neighbours = (near * present[:, None, :]).sum(2) * present
    mean = neighbours.sum(1, keepdim=True) / present.sum(1, keepdim=True).clamp_min(1)
    return (neighbours / mean.clamp_min(1e-12) - 1).clamp(-1, 1) * present
