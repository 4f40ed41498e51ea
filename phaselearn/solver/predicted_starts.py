"""Starts by a network that predicts a density from intensities in one pass, such as `model=cnn`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from phaselearn.crystal.judgement import with_phases_of
from phaselearn.crystal.layout import resized
from phaselearn.crystal.observed import Observed
from phaselearn.data.batch import Batch
from phaselearn.data.preparation.transforms import scale_samples, transform_input
from phaselearn.metrics.phasing import predicted_factors
from phaselearn.models.base import DensityModel
from phaselearn.phasing.solution import Solution
from phaselearn.phasing.starts import RandomStarts
from phaselearn.solver.phase_extension import extend

_ATOM_VOLUME = 15.0  # Å³ for each atom, for F(000): 10 to 20 in inorganic crystals, 10 in molecules with hydrogen


class PredictedStarts(nn.Module):
    """Trial phases of a predicted density, with others that are random.

    The first start of a crystal has the network's phases. Further ones have those of a map with equal shares of the
    network's phases and of random ones, since the network would give the same phases again. Reflections outside the
    network's box are phased by extension.

    The network is given the intensities of point atoms at rest. If it was trained on ideal intensities, F(000)², which
    no experiment sees, is estimated as n times the mean |F|², where n is the number of atoms by the volume of the cell:
    for n equal atoms F(000)² = n² f², and the mean of |F|² is n f² (Wilson, Nature 150, 152, 1942).

    Args:
        model: a trained network.
        transform: transform of the intensities for its input, by the names of `transform_input`.
        scaling: scaling of the transformed intensities, by the names of `scale_samples`.
        sees_total: whether it was trained on intensities with F(000).
        density_share: share of the voxels that hold density, for the extension.
        cycles: cycles of the extension.
    """

    def __init__(
        self, model: DensityModel, transform: str, scaling: str, sees_total: bool, density_share: float, cycles: int
    ) -> None:
        super().__init__()
        self.model = model.requires_grad_(False).eval()
        self.transform, self.scaling, self.sees_total = transform, scaling, sees_total
        self.density_share, self.cycles = density_share, cycles

    @torch.no_grad()
    def forward(self, observed: Observed, crystals: Sequence[int], seed: int, numbers: range) -> Solution:
        """Return the trial phases; see `phaselearn.phasing.starts.Starts`."""
        random = RandomStarts()(observed, crystals, seed, numbers).factors
        rows = torch.arange(len(crystals), device=observed.mask.device).repeat_interleave(len(numbers))
        everything, predicted = observed[rows], self.predicted(observed, crystals)[rows]
        amplitude = everything.map_amplitude()
        own = with_phases_of(amplitude, predicted) * (predicted != 0)
        is_mixed = torch.tensor([number > 0 for number in numbers] * len(crystals), device=rows.device)
        factors = own + with_phases_of(amplitude, random) * ((own != 0) & is_mixed[:, None, None, None])
        unphased = (everything.mask & (own == 0)).flatten(1).any(1)
        return Solution(extend(factors, everything, unphased, self.density_share, self.cycles))

    def predicted(self, observed: Observed, crystals: Sequence[int]) -> Tensor:
        """Return FFT boxes (B, n₁, n₂, n₃) with the structure factors of the predicted densities, 0 outside their box.

        Args:
            observed: the crystals' reflections.
            crystals: (B,) a number for each crystal, which seeds what a network draws at random.
        """
        definition = self.model.definition
        box = observed.shape if definition.layout == "sphere" else definition.box()
        if definition.layout == "octant":
            first, second, third = box
            seen = observed.cropped((2 * first, 2 * second, 2 * third))
            octant = (slice(None), slice(first), slice(second), slice(third))
            amplitude, mask = seen.amplitude[octant], seen.mask[octant]
        else:
            seen = observed.cropped(box)
            amplitude, mask = seen.amplitude, seen.mask
        intensity = amplitude.square()
        if self.sees_total:
            atoms = observed.lattice.det().abs() / _ATOM_VOLUME
            mean = intensity.flatten(1).sum(1) / mask.flatten(1).sum(1).clamp_min(1)
            intensity[:, 0, 0, 0] = atoms * mean
        batch = Batch(
            input=scale_samples(transform_input(intensity, self.transform, definition.layout), self.scaling),
            intensity=intensity,
            observed=mask,
            lattice=observed.lattice,
            row=torch.tensor(crystals, device=mask.device),
        )
        return resized(predicted_factors(self.model(batch), batch, definition), observed.shape)
