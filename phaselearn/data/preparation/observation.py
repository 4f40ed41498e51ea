"""The observation model: what an experiment would have measured of ideal intensities.

It is applied when data are loaded, so that one store serves every regime. Random draws depend only on a seed for each
crystal, never on the batch, the worker or the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from phaselearn.crystal.choices import SCATTERING
from phaselearn.crystal.lattice import inverse_d_squared, reciprocal
from phaselearn.crystal.layout import Indices, held_reflections, miller_indices, shape_of
from phaselearn.data.batch import Batch
from phaselearn.data.preparation.counting import Counting
from phaselearn.data.preparation.draws import Range, check_range, generators, limits, reflection_field, uniform
from phaselearn.data.preparation.regions import Region
from phaselearn.data.preparation.sample import Sample
from phaselearn.errors import UserError

_SAME = 1e-4  # relative; intensities that differ by less are equivalents


class ObservationModel(Protocol):
    """An experiment on crystals, in the form that the rest of the project requires."""

    @property
    def is_random(self) -> bool:
        """Whether two measurements of one crystal differ."""

    @property
    def needs_atoms(self) -> bool:
        """Whether intensities are calculated from the atoms."""

    @property
    def finest(self) -> float | None:
        """The finest resolution in Å that is measured; None for no limit."""

    def apply(self, ideal: Batch, layout: str, seeds: Sequence[int]) -> Batch:
        """Measure a batch; arguments and result are those of `Observation.apply`."""


@dataclass(frozen=True)
class Observation:
    """Limits and errors of a measurement; the defaults are ideal data.

    Attributes:
        d_min: resolution in Å: reflections with d < d_min are unmeasured; null for no limit.
        completeness: share of the reflections, chosen at random, that are measured; or a range [low, high] from
            which it is drawn for each crystal.
        noise: standard deviation of the error of |F|, relative to |F|; or a range.
        b_iso: additional isotropic displacement parameter in Å², damping |F| by exp(−B s²/4).
        sample: the probe and the displacements, from which intensities are calculated; null for those of the store.
            With a sample, F(000) is unmeasured, since no experiment sees it.
        region: the part of reciprocal space that is reached; null for all.
        counting: counting statistics; null for none. The intensities are then in counts, with their σ.
        overloaded: share of the measured reflections that are lost because they are the strongest; or a range.
    """

    d_min: float | None = None
    completeness: Range = 1.0
    noise: Range = 0.0
    b_iso: float = 0.0
    sample: Sample | None = None
    region: Region | None = None
    counting: Counting | None = None
    overloaded: Range = 0.0

    def __post_init__(self) -> None:
        if self.d_min is not None and self.d_min <= 0:
            raise UserError(f"observation.d_min={self.d_min}: a resolution above 0 Å, e.g. observation.d_min=1.5")
        check_range("observation.completeness", self.completeness, 1e-6, 1, "0.7 or [0.6,1]")
        check_range("observation.noise", self.noise, 0, float("inf"), "0.2 or [0,0.2]")
        check_range("observation.overloaded", self.overloaded, 0, 1, "0.01 or [0,0.02]")

    @property
    def is_random(self) -> bool:
        """Whether two measurements of one crystal differ."""
        return (
            limits(self.completeness)[0] < 1
            or limits(self.noise)[1] > 0
            or limits(self.overloaded)[0] < limits(self.overloaded)[1]
            or (self.sample is not None and self.sample.is_random)
            or self.region is not None
            or self.counting is not None
        )

    @property
    def needs_atoms(self) -> bool:
        """Whether intensities are calculated from the atoms."""
        return self.sample is not None

    @property
    def finest(self) -> float | None:
        """The finest resolution in Å that is measured; None for no limit."""
        return self.d_min

    def apply(self, ideal: Batch, layout: str, seeds: Sequence[int]) -> Batch:
        """Measure a batch.

        Args:
            ideal: `intensity` and `lattice`; `observed` where the pairs do not hold all that the box can hold; where
                there is a sample `numbers` and `positions`, and `u_iso` where the structures give it.
            layout: layout of the intensities.
            seeds: B seeds, one for each crystal.

        Returns:
            The batch with its `intensity` as measured, the unmeasured at zero, and the measured in `observed`. An
            intensity that is not a number is unmeasured, one below zero is zero. With a sample, `u_iso` and `probe` say
            how the atoms scattered; where errors are counted, `sigma` says how large they are.
        """
        batch = ideal.copy() if self.sample is None else _scattered(ideal, self.sample, layout, seeds)
        intensity, lattice = batch["intensity"], batch["lattice"]
        shape = shape_of(intensity)
        mask = ideal.get("observed")
        if mask is None:
            mask = held_reflections(layout, shape, intensity.device).expand_as(intensity)
        lowest, highest = torch.aminmax(intensity)
        # Rare, and the mask of sound data is one row for all crystals.
        if not (lowest >= 0 and highest < torch.inf):
            sound = torch.isfinite(intensity)
            mask, intensity = mask & sound, torch.where(sound, intensity, 0.0).clamp_min(0)
        indices = _indices(layout, intensity)
        if self.d_min is not None or self.b_iso:
            square = inverse_d_squared(lattice, *indices)
            if self.b_iso:
                intensity = intensity * torch.exp(-self.b_iso / 2 * square)
            if self.d_min is not None:
                mask = mask & (square <= 1 / self.d_min**2 * (1 + 1e-6))
        if self.sample is not None:
            mask = mask.clone()
            mask[:, 0, 0, 0] = False
        if self.region is not None:
            mask = mask & self.region.reached(_vectors(lattice, indices), seeds)
        if limits(self.overloaded)[1] > 0:
            mask = mask & ~_strongest(intensity, mask, uniform(self.overloaded, generators(seeds, "overloaded")))
        if limits(self.noise)[1] > 0:
            error = reflection_field(torch.randn, shape, layout, _numbered(seeds, 2, 0)).to(intensity)
            noise = uniform(self.noise, _numbered(seeds, 3, 0)).to(intensity)[:, None, None, None]
            intensity = intensity * (1 + noise * error).clamp_min(0).square()
        if limits(self.completeness)[0] < 1:
            chance = reflection_field(torch.rand, shape, layout, _numbered(seeds, 2, 1))
            completeness = uniform(self.completeness, _numbered(seeds, 3, 1))[:, None, None, None]
            mask = mask & (chance < completeness).to(mask.device)
        if self.counting is not None:
            intensity, sigma = self.counting.measure(intensity, mask, layout, seeds)
            batch["sigma"] = sigma * mask
        batch["intensity"] = intensity.clamp_min(0) * mask
        batch["observed"] = mask
        return batch


def _scattered(ideal: Batch, sample: Sample, layout: str, seeds: Sequence[int]) -> Batch:
    """Return a batch with the intensities of a sample in place of the store's."""
    batch = ideal.copy()
    lattice, numbers, positions = batch["lattice"], batch["numbers"], batch["positions"]
    u_iso = sample.displacements(lattice, numbers, positions, seeds, ideal.get("u_iso")).to(lattice)
    batch["intensity"] = sample.intensity(lattice, numbers, positions, u_iso, layout, shape_of(ideal["intensity"]))
    batch["u_iso"] = u_iso
    batch["probe"] = torch.full((len(lattice),), SCATTERING.index(sample.scattering))
    return batch


def _strongest(intensity: Tensor, mask: Tensor, share: Tensor) -> Tensor:
    """Return a bool mask of the strongest reflections, at most a share (B,) of the measured; equivalents together."""
    measured = (intensity * mask).flatten(1)
    count = (share.to(intensity) * mask.flatten(1).sum(1)).round().long().clamp_max(measured.shape[1] - 1)
    strongest_left = measured.topk(int(count.max()) + 1, dim=1).values.gather(1, count[:, None])
    return intensity > strongest_left[:, :, None, None] * (1 + _SAME)


def _indices(layout: str, intensity: Tensor) -> Indices:
    h, k, l = (miller_indices(layout, size).to(intensity.device) for size in shape_of(intensity))  # noqa: E741
    return h, k, l


def _vectors(lattice: Tensor, indices: Indices) -> Tensor:
    """Return the reciprocal-lattice vectors (B, n₁, n₂, n₃, 3) of a box in 1/Å."""
    star = reciprocal(lattice)
    along = [index.to(star)[:, None] * star[:, axis, None, :] for axis, index in enumerate(indices)]
    return along[0][:, :, None, None] + along[1][:, None, :, None] + along[2][:, None, None, :]


def _numbered(seeds: Sequence[int], factor: int, number: int) -> list[torch.Generator]:
    # Not `generators`, which tells purposes apart better: published benchmarks drew their noise like this.
    return [torch.Generator().manual_seed((factor * seed + number) % (1 << 63)) for seed in seeds]
