"""A crystal as a sum of a few atoms: positions, weights and displacements."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from phaselearn.crystal.rows import PaddedRows, padded
from phaselearn.phasing.reflections import ReflectionList

VALUES_AT_ONCE = 1 << 22  # of the largest table over reflections; it bounds the memory


@dataclass(frozen=True)
class AtomicModel(PaddedRows):
    """Atoms of B crystals: F(h) = Σ_j w_j exp(−B_j s²/4) exp(2πi h·x_j), s = 1/d.

    Attributes:
        position: (B, K, 3) fractional.
        weight: (B, K) on the scale of the reflections' amplitudes, never negative; 0 where there is no atom.
        b_iso: (B, K) B in Å², which also models how the atom's form factor falls with s. Where Wilson's statistics have
            removed too much of the mean fall, or the atom is heavier than the mean, it is negative.
    """

    position: Tensor
    weight: Tensor
    b_iso: Tensor

    lists = ("position", "weight", "b_iso")

    @classmethod
    def empty(cls, reflections: ReflectionList) -> AtomicModel:
        """Return crystals without atoms."""
        nothing = torch.zeros_like(reflections.amplitude[:, :1])
        return cls(nothing[..., None].repeat(1, 1, 3), nothing, nothing)

    def trimmed(self) -> AtomicModel:
        """Leave out the last columns, in which no crystal has an atom."""
        occupied = (self.weight > 0).any(0).nonzero()
        return self.resized(int(occupied[-1]) + 1 if len(occupied) else 1)

    def count(self) -> Tensor:
        """Return the number of atoms of each crystal, (B,)."""
        return (self.weight > 0).sum(1)

    def waves(self, reflections: ReflectionList) -> tuple[Tensor, Tensor]:
        """Return the real and the imaginary parts (B, H, K) of exp(−B s²/4) exp(2πi h·x), without weights."""
        angle = 2 * math.pi * (reflections.index @ self.position.transpose(1, 2))
        fall = torch.exp(self.b_iso[:, None] * (reflections.inverse_square / -4)[..., None])
        fall = fall * reflections.measured[..., None]
        return angle.cos() * fall, angle.sin() * fall

    def structure_factors(self, reflections: ReflectionList) -> Tensor:
        """Return F, complex (B, H), zero in the padding."""
        weight = self.weight[:, :, None]
        parts = []
        for part in reflections.parts(max(1, VALUES_AT_ONCE // max(1, self.weight.numel()))):
            cosine, sine = self.waves(part)
            parts.append(torch.complex((cosine @ weight)[..., 0], (sine @ weight)[..., 0]))
        return torch.cat(parts, 1)

    def r_factor(self, reflections: ReflectionList) -> Tensor:
        """Return R = Σ||F_model| − |F|| / Σ|F|, (B,)."""
        difference = (self.structure_factors(reflections).abs() - reflections.amplitude).abs()
        tiny = torch.finfo(difference.dtype).tiny
        return difference.sum(1) / reflections.amplitude.sum(1).clamp_min(tiny)

    def scaled(self, reflections: ReflectionList) -> AtomicModel:
        """Return the atoms with weights that bring their amplitudes to the scale of the measured ones."""
        magnitude = self.structure_factors(reflections).abs()
        power = magnitude.square().sum(1).clamp_min(torch.finfo(magnitude.dtype).tiny)
        scale = (magnitude * reflections.amplitude).sum(1) / power
        return replace(self, weight=self.weight * scale[:, None])

    def heaviest(self, count: Tensor) -> AtomicModel:
        """Keep the `count` (B,) heaviest atoms of each crystal, sorted from heavy to light."""
        weight, order = self.weight.sort(dim=1, descending=True)
        kept = torch.arange(weight.shape[1], device=weight.device) < count[:, None]
        position = self.position.gather(1, order[..., None].expand_as(self.position))
        return AtomicModel(position, weight * kept, self.b_iso.gather(1, order)).trimmed()

    def with_weights(self, weight: Tensor) -> AtomicModel:
        """Give the atoms, the heaviest first, the weights (B, L) in their order; atoms beyond these are left out."""
        kept = self.heaviest((weight > 0).sum(1))
        return replace(kept, weight=padded(weight, kept.length).to(kept.weight) * (kept.weight > 0))

    def with_atoms(self, position: Tensor, weight: Tensor, b_iso: Tensor) -> AtomicModel:
        """Add atoms (B, K, 3) of weights and displacements (B, K)."""
        return AtomicModel(
            torch.cat((self.position, position), 1),
            torch.cat((self.weight, weight), 1),
            torch.cat((self.b_iso, b_iso), 1),
        )

    def mean_b(self) -> Tensor:
        """Return (B, 1) the mean B of the atoms in Å², weighted by their weights; 0 where there is none."""
        total = self.weight.sum(1, keepdim=True)
        return (self.weight * self.b_iso).sum(1, keepdim=True) / total.clamp_min(torch.finfo(total.dtype).tiny)
