"""The measured reflections of crystals as lists, one of each Friedel pair; atoms are fitted to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from phaselearn.crystal.layout import friedel_mate, miller_indices
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.rows import Rows

_LISTS = ("index", "amplitude", "inverse_square", "measured", "place")  # attributes with an entry for each reflection


@dataclass(frozen=True)
class ReflectionList(Rows):
    """Measured reflections of B crystals, whose FFT boxes may differ in size, padded to the longest list.

    Attributes:
        index: (B, H, 3) Miller indices, zero in the padding.
        amplitude: (B, H) |F|, scaled so that its squares add up to one; zero in the padding.
        inverse_square: (B, H) 1/d² in Å⁻².
        measured: (B, H) bool, False in the padding.
        place: (B, H) in the flattened FFT box.
        lattice: (B, 3, 3) in Å.
        box: (B,) N of the FFT box.
    """

    index: Tensor
    amplitude: Tensor
    inverse_square: Tensor
    measured: Tensor
    place: Tensor
    lattice: Tensor
    box: Tensor

    @classmethod
    def of(cls, observed: Observed) -> ReflectionList:
        """List the observed reflections."""
        size, device = observed.mask.shape[-1], observed.mask.device
        along = miller_indices("full", size).to(device)
        h, k, l = (part.flatten() for part in torch.meshgrid(along, along, along, indexing="ij"))  # noqa: E741
        first_of_pair = (h > 0) | ((h == 0) & ((k > 0) | ((k == 0) & (l > 0))))
        chosen = observed.mask.flatten(1) & first_of_pair
        longest = max(1, int(chosen.sum(1).max()))
        place = (~chosen).to(torch.uint8).argsort(dim=1, stable=True)[:, :longest]
        measured = chosen.gather(1, place)
        amplitude = observed.amplitude.flatten(1).gather(1, place) * measured
        total = amplitude.square().sum(1, keepdim=True).sqrt()
        return cls(
            torch.stack((h, k, l), -1)[place].to(amplitude.dtype) * measured[..., None],
            amplitude / total.clamp_min(torch.finfo(amplitude.dtype).tiny),
            observed.inverse_d_squared().flatten(1).gather(1, place).to(amplitude.dtype),
            measured,
            place,
            observed.lattice,
            torch.full((len(place),), size, device=device),
        )

    @classmethod
    def joined(cls, parts: Sequence[ReflectionList]) -> ReflectionList:
        """Put the lists of several sets of crystals one after the other."""
        columns = {name: joined_lists([getattr(part, name) for part in parts]) for name in _LISTS}
        columns |= {name: torch.cat([getattr(part, name) for part in parts]) for name in ("lattice", "box")}
        return cls(**columns)

    def trimmed(self) -> ReflectionList:
        """Return the same, padded no further than to the longest list."""
        longest = max(1, int(self.counts().max()))
        return replace(self, **{name: getattr(self, name)[:, :longest] for name in _LISTS})

    def counts(self) -> Tensor:
        """Return (B,) how many reflections there are."""
        return self.measured.sum(1)

    def values(self, boxes: Tensor) -> Tensor:
        """Return the values (B, H) of FFT boxes (B, N, N, N) at the reflections."""
        return boxes.flatten(1).gather(1, self.place) * self.measured

    def boxes(self, values: Tensor) -> Tensor:
        """Return complex FFT boxes (B, N, N, N), of one size, of values (B, H) and of their mates, zero elsewhere."""
        size = int(self.box[0])
        half = values.new_zeros((len(values), size**3)).scatter(1, self.place, values * self.measured)
        half = half.unflatten(1, (size, size, size))
        return half + friedel_mate(half).conj()


def joined_lists(parts: Sequence[Tensor]) -> Tensor:
    """Return lists (B, H, …), one after the other, padded with zeros to the longest."""
    longest = max(part.shape[1] for part in parts)
    padding = [(0, 0) * (part.ndim - 2) + (0, longest - part.shape[1]) for part in parts]
    return torch.cat([functional.pad(part, pad) for part, pad in zip(parts, padding, strict=True)])
