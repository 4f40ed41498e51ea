"""The measured reflections of crystals: amplitudes on the FFT box, which of them were measured, and the cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import Shape, friedel_mate, miller_box, permuted, resized, shape_of, strides, to_full_box
from phaselearn.crystal.rows import Rows, padded

MAP_B_ISO = 4.0  # Å²
FEWEST_REFLECTIONS = 20
_EQUAL_EDGES = 1e-3  # Å; cell edges that differ by less are equal
_ORIGIN_FIXES = 3  # phases, which are free: with no more reflections that have an intensity, any phases are right


@dataclass(frozen=True)
class Observed(Rows):
    """The measured reflections of a batch of crystals, on a box in FFT order.

    Attributes:
        amplitude: (B, n₁, n₂, n₃) |F| on any scale, 0 where unobserved, at F(000) and on Nyquist planes.
        mask: (B, n₁, n₂, n₃) bool, True at observed reflections and their Friedel mates, F(000) excluded.
        lattice: (B, 3, 3) in Å.
        sigma: (B, n₁, n₂, n₃) standard deviation σ of |F|², 0 where unobserved; None where it is not known.
        contents: (B, A) atomic numbers of what is in the cell, 0 for padding; None where it is not known. A method that
            reads this is told the composition, and says so.
    """

    amplitude: Tensor
    mask: Tensor
    lattice: Tensor
    sigma: Tensor | None = None
    contents: Tensor | None = None

    @classmethod
    def from_intensity(
        cls, intensity: Tensor, mask: Tensor, layout: str, lattice: Tensor, sigma: Tensor | None = None
    ) -> Observed:
        """Gather intensities and mask (B, N, N, N) of a layout, with their Friedel mates, on the FFT box.

        An intensity that is not a number counts as unobserved; one below zero counts as observed, with amplitude zero.
        `sigma` holds the standard deviations of the intensities.
        """
        sound = torch.isfinite(intensity)
        observed = to_full_box(mask & sound, layout)
        observed &= friedel_mate(observed)
        observed[:, 0, 0, 0] = False
        intensity = to_full_box(torch.where(sound, intensity, 0.0), layout)
        amplitude = intensity.clamp_min(0).sqrt() * observed
        if sigma is None:
            return cls(amplitude, observed, lattice)
        return cls(amplitude, observed, lattice, to_full_box(sigma, layout) * observed)

    @classmethod
    def from_reflections(cls, hkl: Tensor, amplitude: Tensor, lattice: Tensor, sigma: Tensor | None = None) -> Observed:
        """Place a crystal's list of reflections, with their Friedel mates, on the smallest FFT box that holds it.

        Reflections that occur several times, or with their mates, get the mean of their amplitudes and of their
        standard deviations. F(000), and amplitudes that are not numbers, count as unobserved.

        Args:
            hkl: (H, 3) Miller indices, whole numbers.
            amplitude: (H,) |F| on any scale, not below zero.
            lattice: (3, 3) in Å.
            sigma: (H,) standard deviation of |F|² on the same scale; None where it is not known.

        Returns:
            One row; rows on different boxes can be `joined`.
        """
        usable = torch.isfinite(amplitude) & (hkl != 0).any(1)
        columns = [amplitude] if sigma is None else [amplitude, sigma]
        hkl, columns = hkl[usable].long(), [column[usable] for column in columns]
        largest = hkl.abs().amax(0).tolist() if len(hkl) else [0, 0, 0]
        shape = box_for(largest)
        size, apart = torch.tensor(shape, device=hkl.device), strides(shape, hkl.device)
        place = (torch.cat((hkl, -hkl)) % size * apart).sum(1)
        count, *totals = (
            amplitude.new_zeros(math.prod(shape)).index_add_(0, place, values.repeat(2)).view(1, *shape)
            for values in (torch.ones_like(columns[0]), *columns)
        )
        mean, *deviation = (total / count.clamp_min(1) for total in totals)
        return cls(mean, count > 0, lattice[None].to(amplitude), *deviation)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of several records one after the other, on a box that holds the reflections of each."""
        first, second, third = (max(sizes) for sizes in zip(*(part.shape for part in parts), strict=True))
        lists = [part.contents for part in parts if part.contents is not None]
        # What is in the cell is known of all rows or of none.
        longest = max(each.shape[1] for each in lists) if len(lists) == len(parts) else None
        return super().joined(
            [
                replace(
                    part.cropped((first, second, third)),
                    contents=None if longest is None or part.contents is None else padded(part.contents, longest),
                )
                for part in parts
            ]
        )

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
        """Return the same, scaled to 1 as the largest amplitude: the squares of large ones overflow."""
        largest = self.amplitude.flatten(1).amax(1).clamp_min(torch.finfo(self.amplitude.dtype).tiny)
        return self.scaled(1 / largest[:, None, None, None])

    def scaled(self, factor: Tensor) -> Observed:
        """Return amplitudes times factors (B, n₁, n₂, n₃) or (B, 1, 1, 1), σ with their squares."""
        sigma = None if self.sigma is None else self.sigma * factor**2
        return replace(self, amplitude=self.amplitude * factor, sigma=sigma)

    def amplitude_sigma(self) -> Tensor:
        """Return the standard deviations (B, n₁, n₂, n₃) of |F|; 0 where they are not known.

        They are half the difference between √(|F|² + σ) and √(|F|² − σ), the latter 0 for |F|² < σ.
        """
        if self.sigma is None:
            return torch.zeros_like(self.amplitude)
        square = self.amplitude.square()
        return ((square + self.sigma).sqrt() - (square - self.sigma).clamp_min(0).sqrt()) / 2

    def within(self, d_min: float) -> Tensor:
        """Return a bool mask (B, n₁, n₂, n₃) of the reflections with d ≥ d_min (Å), measured or not."""
        return self.inverse_d_squared() <= (1 + torch.finfo(torch.float32).eps) / d_min**2

    def is_mostly_finer(self, d_min: float) -> Tensor:
        """Return (B,) whether most of the observed reflections have d < d_min (Å)."""
        coarse, everything = (mask.flatten(1).sum(1) for mask in (self.mask & self.within(d_min), self.mask))
        return 2 * coarse < everything

    def cut(self, d_min: float) -> Observed:
        """Leave out the reflections with d < d_min (Å)."""
        return self.kept(self.within(d_min))

    def cut_box(self, largest: int) -> Observed:
        """Leave out the reflections with |h|, |k| or |l| above `largest`, which a smaller FFT box would not hold."""
        h, k, l = (index.abs() <= largest for index in miller_box(self.shape, self.mask.device))  # noqa: E741
        return self.kept(h[:, None, None] & k[:, None] & l)

    def kept(self, mask: Tensor) -> Observed:
        """Leave out the reflections at which a bool mask (B, n₁, n₂, n₃) is False."""
        mask = self.mask & mask
        return replace(self.scaled(mask), mask=mask)

    def cropped(self, shape: Shape) -> Self:
        """Return the same on another box; reflections that it lacks are left out."""
        return self._each_box(lambda box: resized(box, shape))

    def largest_indices(self) -> Tensor:
        """Return (B, 3) the largest |h|, |k| and |l| observed."""
        indices = miller_box(self.shape, self.mask.device)
        along = [
            (self.mask.movedim(axis, 1).flatten(2).any(2) * index.abs()).amax(1)
            for axis, index in enumerate(indices, start=1)
        ]
        return torch.stack(along, 1)

    def axis_order(self) -> Tensor:
        """Return (B, 3) the axes from the shortest edge to the longest; the data decide between equal edges.

        A computation that first puts the axes in this order does not depend on their names.
        """
        power = self.amplitude.square()
        along = [
            (power.sum([other for other in (1, 2, 3) if other != axis]) * index.square()).sum(1)
            for axis, index in enumerate(miller_box(self.shape, power.device), start=1)
        ]
        by_data = torch.stack(along, 1).argsort(dim=1, stable=True)
        edge = (torch.linalg.vector_norm(self.lattice, dim=-1) / _EQUAL_EDGES).round()
        return by_data.gather(1, edge.gather(1, by_data).argsort(dim=1, stable=True))

    def reordered(self, order: Tensor) -> Observed:
        """Return the same with the axes (B, 3) of each crystal in another order, on the smallest box for all."""
        lattice = self.lattice.gather(1, order[:, :, None].expand(-1, -1, 3))
        return replace(self._each_box(lambda box: permuted(box, order)), lattice=lattice)

    def _each_box(self, change: Callable[[Tensor], Tensor]) -> Self:
        sigma = None if self.sigma is None else change(self.sigma)
        return replace(self, amplitude=change(self.amplitude), mask=change(self.mask), sigma=sigma)


def box_for(largest: Sequence[int]) -> Shape:
    """Return the smallest FFT box of even sizes that holds the reflections up to these |h|, |k| and |l|."""
    first, second, third = (2 * index + 2 for index in largest)
    return first, second, third
