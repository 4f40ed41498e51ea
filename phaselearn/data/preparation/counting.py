"""Counting statistics: intensities in counts on a background, with the σ that an experiment would state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from phaselearn.crystal.layout import shape_of
from phaselearn.data.preparation.draws import Range, check_range, generators, reflection_field, uniform

_ABSENT = 1e-9  # of the largest intensity, of a mean that is rounding


@dataclass(frozen=True)
class Counting:
    """Errors of counted intensities: σ² = I + b + (p I)², I and the background b in counts.

    More than about ten counts are nearly normally distributed, so normal errors are drawn. An intensity may come out
    below zero. The stated σ is that of the measured intensity, since an experiment does not know the true one.

    Attributes:
        counts: counts of a reflection of mean intensity, or a range [low, high], uniform in its logarithm.
        background: counts of the background under a reflection, or such a range.
        instrument: p, the error in proportion to the intensity (absorption, instability, multiple scattering), or a
            range. An error p of the intensity is one of p/2 of |F|.
    """

    counts: Range = 1000.0
    background: Range = 20.0
    instrument: Range = 0.03

    def __post_init__(self) -> None:
        check_range("observation.counting.counts", self.counts, 1, 1e9, "[100,5000]")
        check_range("observation.counting.background", self.background, 1, 1e9, "20")
        check_range("observation.counting.instrument", self.instrument, 0, 1, "0.03")

    def measure(self, intensity: Tensor, mask: Tensor, layout: str, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Count reflections.

        Args:
            intensity: (B, n₁, n₂, n₃) on any scale.
            mask: (B, n₁, n₂, n₃) bool, the reflections that are measured; their mean sets the scale.
            layout: layout of both.
            seeds: B seeds, one for each crystal.

        Returns:
            Intensities and their σ as stated, both (B, n₁, n₂, n₃) in counts; those that are not measured are finite.
        """
        counts = uniform(self.counts, generators(seeds, "counts"), logarithmic=True)
        background = _each(uniform(self.background, generators(seeds, "background"), logarithmic=True), intensity)
        instrument = _each(uniform(self.instrument, generators(seeds, "instrument")), intensity)
        measured = torch.where(mask, intensity, 0.0)
        mean = measured.flatten(1).sum(1) / mask.flatten(1).sum(1).clamp_min(1)
        # Where every measured reflection is absent by symmetry, rounding would be counted.
        present = mean > _ABSENT * intensity.flatten(1).amax(1)
        scale = torch.where(present, counts.to(mean) / mean.clamp_min(torch.finfo(mean.dtype).tiny), 0.0)
        expected = measured * _each(scale, intensity)
        error = reflection_field(torch.randn, shape_of(intensity), layout, generators(seeds, "counted")).to(intensity)
        found = expected + error * _deviation(expected, background, instrument)
        return found, _deviation(found.clamp_min(0), background, instrument)


def _deviation(intensity: Tensor, background: Tensor, instrument: Tensor) -> Tensor:
    return (intensity + background + (instrument * intensity).square()).sqrt()


def _each(values: Tensor, field: Tensor) -> Tensor:
    """Return values (B,) as (B, 1, 1, 1), in the precision of a field."""
    return values.to(field)[:, None, None, None]
