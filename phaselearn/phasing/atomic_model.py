"""A crystal as a sum of a few atoms of one shape: positions, weights, and one displacement."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from phaselearn.crystal.rows import PaddedRows
from phaselearn.phasing.reflections import ReflectionList


@dataclass(frozen=True)
class AtomicModel(PaddedRows):
    """Atoms of B crystals: F(h) = exp(−B s²/4) Σ_j w_j exp(2πi h·x_j), s = 1/d.

    Attributes:
        position: (B, K, 3) fractional.
        weight: (B, K) on the scale of the reflections' amplitudes, never negative; 0 where there is no atom.
        b_iso: (B,) B in Å², which also models the fall of the atoms' form factors.
    """

    position: Tensor
    weight: Tensor
    b_iso: Tensor

    lists = ("position", "weight")

    def trimmed(self) -> AtomicModel:
        """Leave out the last columns, in which no crystal has an atom."""
        occupied = (self.weight > 0).any(0).nonzero()
        return self.resized(int(occupied[-1]) + 1 if len(occupied) else 1)

    def count(self) -> Tensor:
        """Return the number of atoms of each crystal, (B,)."""
        return (self.weight > 0).sum(1)

    def waves(self, reflections: ReflectionList) -> tuple[Tensor, Tensor]:
        """Return the real and the imaginary parts (B, H, K) of exp(2πi h·x), without weights."""
        angle = 2 * math.pi * (reflections.index @ self.position.transpose(1, 2))
        return angle.cos(), angle.sin()

    def fall(self, reflections: ReflectionList) -> Tensor:
        """Return exp(−B s²/4), (B, H), zero in the padding."""
        return torch.exp(-self.b_iso[:, None] / 4 * reflections.inverse_square) * reflections.measured

    def structure_factors(self, reflections: ReflectionList) -> Tensor:
        """Return F, complex (B, H)."""
        cosine, sine = self.waves(reflections)
        weight = self.weight[:, :, None]
        fall = self.fall(reflections)
        return torch.complex((cosine @ weight)[..., 0] * fall, (sine @ weight)[..., 0] * fall)

    def r_factor(self, reflections: ReflectionList) -> Tensor:
        """Return R = Σ||F_model| − |F|| / Σ|F|, (B,)."""
        difference = (self.structure_factors(reflections).abs() - reflections.amplitude).abs()
        tiny = torch.finfo(difference.dtype).tiny
        return difference.sum(1) / reflections.amplitude.sum(1).clamp_min(tiny)

    def heaviest(self, count: Tensor) -> AtomicModel:
        """Keep the `count` (B,) heaviest atoms of each crystal, sorted from heavy to light."""
        weight, order = self.weight.sort(dim=1, descending=True)
        kept = torch.arange(weight.shape[1], device=weight.device) < count[:, None]
        position = self.position.gather(1, order[..., None].expand_as(self.position))
        return replace(self, position=position, weight=weight * kept).trimmed()

    def with_atoms(self, position: Tensor, weight: Tensor) -> AtomicModel:
        """Add atoms (B, K, 3) of weights (B, K)."""
        return replace(
            self, position=torch.cat((self.position, position), 1), weight=torch.cat((self.weight, weight), 1)
        )
