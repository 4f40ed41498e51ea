"""The measured reflections of crystals as lists, one of each Friedel pair; atoms are fitted to them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from phaselearn.crystal.layout import friedel_mate, miller_box
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.rows import PaddedRows


@dataclass(frozen=True)
class ReflectionList(PaddedRows):
    """Measured reflections of B crystals, whose FFT boxes may differ in shape.

    Attributes:
        index: (B, H, 3) Miller indices, zero in the padding.
        amplitude: (B, H) |F|, scaled so that its squares add up to one; zero in the padding.
        sigma: (B, H) standard deviation of |F| on the same scale; zero in the padding, and where it is not known.
        inverse_square: (B, H) 1/d² in Å⁻².
        measured: (B, H) bool, False in the padding.
        place: (B, H) places in the flattened FFT box.
        lattice: (B, 3, 3) in Å.
        box: (B, 3) n₁, n₂, n₃ of the FFT box.
    """

    index: Tensor
    amplitude: Tensor
    sigma: Tensor
    inverse_square: Tensor
    measured: Tensor
    place: Tensor
    lattice: Tensor
    box: Tensor

    lists = ("index", "amplitude", "sigma", "inverse_square", "measured", "place")

    @classmethod
    def of(cls, observed: Observed) -> ReflectionList:
        """List the observed reflections."""
        along = miller_box(observed.shape, observed.mask.device)
        h, k, l = (part.flatten() for part in torch.meshgrid(*along, indexing="ij"))  # noqa: E741
        first_of_pair = (h > 0) | ((h == 0) & ((k > 0) | ((k == 0) & (l > 0))))
        chosen = observed.mask.flatten(1) & first_of_pair
        longest = max(1, int(chosen.sum(1).max()))
        place = (~chosen).to(torch.uint8).argsort(dim=1, stable=True)[:, :longest]
        measured = chosen.gather(1, place)
        amplitude = observed.amplitude.flatten(1).gather(1, place) * measured
        sigma = observed.amplitude_sigma().flatten(1).gather(1, place) * measured
        total = amplitude.square().sum(1, keepdim=True).sqrt().clamp_min(torch.finfo(amplitude.dtype).tiny)
        return cls(
            torch.stack((h, k, l), -1)[place].to(amplitude.dtype) * measured[..., None],
            amplitude / total,
            sigma / total,
            observed.inverse_d_squared().flatten(1).gather(1, place).to(amplitude.dtype),
            measured,
            place,
            observed.lattice,
            torch.tensor(observed.shape, device=place.device).repeat(len(place), 1),
        )

    def trimmed(self) -> ReflectionList:
        """Return the same with no more padding than the longest list requires."""
        return self.resized(max(1, int(self.counts().max())))

    def counts(self) -> Tensor:
        """Return the number of reflections of each crystal, (B,)."""
        return self.measured.sum(1)

    def parts(self, length: int) -> Iterator[ReflectionList]:
        """Yield the same reflections in lists of at most this length."""
        for first in range(0, self.length, length):
            part = {name: getattr(self, name)[:, first : first + length] for name in self.lists}
            yield replace(self, **part)

    def r_of_noise(self) -> Tensor:
        """Return (B,) the R that errors of this σ alone would give: √(2/π) Σσ / Σ|F|; 0 where σ is not known."""
        tiny = torch.finfo(self.amplitude.dtype).tiny
        return math.sqrt(2 / math.pi) * self.sigma.sum(1) / self.amplitude.sum(1).clamp_min(tiny)

    def values(self, boxes: Tensor) -> Tensor:
        """Return the values (B, H) of FFT boxes (B, n₁, n₂, n₃) at the reflections."""
        return boxes.flatten(1).gather(1, self.place) * self.measured

    def boxes(self, values: Tensor) -> Tensor:
        """Return complex FFT boxes of one shape with values (B, H) and their Friedel mates, zero elsewhere."""
        shape = self.box[0].tolist()
        half = values.new_zeros((len(values), math.prod(shape))).scatter(1, self.place, values * self.measured)
        half = half.unflatten(1, shape)
        return half + friedel_mate(half).conj()
