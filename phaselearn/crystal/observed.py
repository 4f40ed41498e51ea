"""The measured reflections of crystals: amplitudes on the FFT box, which of them were measured, and the cells."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import Shape, friedel_mate, miller_box, resized, shape_of, to_full_box
from phaselearn.crystal.rows import Rows

MAP_B_ISO = 4.0  # Å²
FEWEST_REFLECTIONS = 20
_ORIGIN_FIXES = 3  # phases, which can be chosen freely: on fewer reflections with an intensity any phases are right


@dataclass(frozen=True)
class Observed(Rows):
    """The measured reflections of a batch of crystals, on a box in FFT order.

    Attributes:
        amplitude: (B, n₁, n₂, n₃) |F| on any scale, 0 where unobserved, at F(000) and on Nyquist planes.
        mask: (B, n₁, n₂, n₃) bool, True at observed reflections and their Friedel mates, F(000) excluded.
        lattice: (B, 3, 3) in Å.
    """

    amplitude: Tensor
    mask: Tensor
    lattice: Tensor

    @classmethod
    def from_intensity(cls, intensity: Tensor, mask: Tensor, layout: str, lattice: Tensor) -> Observed:
        """Gather intensities and mask (B, N, N, N) of a layout, with their Friedel mates, on the FFT box.

        An intensity that is not a number was not observed; one below zero was, as nothing.
        """
        sound = torch.isfinite(intensity)
        observed = to_full_box(mask & sound, layout)
        observed &= friedel_mate(observed)
        observed[:, 0, 0, 0] = False
        intensity = to_full_box(torch.where(sound, intensity, 0.0), layout)
        return cls(intensity.clamp_min(0).sqrt() * observed, observed, lattice)

    @property
    def shape(self) -> Shape:
        """Points n₁, n₂, n₃ of the box."""
        return shape_of(self.mask)

    def inverse_d_squared(self) -> Tensor:
        """Return 1/d² (B, n₁, n₂, n₃) in Å⁻²."""
        return inverse_d_squared(self.lattice, *miller_box(self.shape, self.lattice.device))

    def map_amplitude(self) -> Tensor:
        """Return the amplitudes of the maps that are compared, |F|·exp(−B s²/4) with B = 4 Å²."""
        return self.amplitude * torch.exp(-MAP_B_ISO / 4 * self.inverse_d_squared())

    def unique_reflections(self) -> Tensor:
        """Return (B,) how many reflections are observed, a Friedel pair counted once."""
        return self.mask.flatten(1).sum(1) // 2

    def is_judged(self) -> Tensor:
        """Return (B,) whether there are enough reflections for phases to be right or wrong."""
        with_intensity = (self.amplitude > 0).flatten(1).sum(1) // 2
        return (self.unique_reflections() >= FEWEST_REFLECTIONS) & (with_intensity > _ORIGIN_FIXES)

    def on_unit_scale(self) -> Observed:
        """Return the same with 1 as the largest amplitude: squares of large ones overflow."""
        largest = self.amplitude.flatten(1).amax(1).clamp_min(torch.finfo(self.amplitude.dtype).tiny)
        return replace(self, amplitude=self.amplitude / largest[:, None, None, None])

    def within(self, d_min: float) -> Tensor:
        """Return a bool mask (B, n₁, n₂, n₃) of the reflections with d ≥ d_min (Å), measured or not."""
        return self.inverse_d_squared() <= (1 + torch.finfo(torch.float32).eps) / d_min**2

    def cut(self, d_min: float) -> Observed:
        """Leave out the reflections with d < d_min (Å)."""
        return self.kept(self.within(d_min))

    def cut_box(self, largest: int) -> Observed:
        """Leave out the reflections with |h|, |k| or |l| above the largest: a smaller FFT box would not hold them."""
        h, k, l = (index.abs() <= largest for index in miller_box(self.shape, self.mask.device))  # noqa: E741
        return self.kept(h[:, None, None] & k[:, None] & l)

    def kept(self, mask: Tensor) -> Observed:
        """Leave out the reflections at which a bool mask (B, n₁, n₂, n₃) is False."""
        mask = self.mask & mask
        return Observed(self.amplitude * mask, mask, self.lattice)

    def cropped(self, shape: Shape) -> Observed:
        """Return the same on another box; reflections that it lacks are left out."""
        return Observed(resized(self.amplitude, shape), resized(self.mask, shape), self.lattice)

    def largest_indices(self) -> Tensor:
        """Return (B, 3) the largest |h|, |k| and |l| observed."""
        indices = miller_box(self.shape, self.mask.device)
        along = [
            (self.mask.movedim(axis, 1).flatten(2).any(2) * index.abs()).amax(1)
            for axis, index in enumerate(indices, start=1)
        ]
        return torch.stack(along, 1)
