"""Charge flipping (Oszlányi & Sütő, Acta Cryst. A60, 134, 2004; weak reflections: A61, 147, 2005)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from phaselearn.crystal.layout import miller_indices
from phaselearn.phasing.measurement import Measurement, transform, with_measured_amplitudes
from phaselearn.phasing.projections import eliminate_low_density


@dataclass(frozen=True)
class ChargeFlipping:
    """Flip the sign of all density below δ, put the measured amplitudes back, again and again.

    δ falls from the start threshold to the end threshold over the first `annealing` of the iterations: a high
    one finds the heavy atoms from nothing, a low one lets the light ones appear. The last cycles eliminate
    low density instead of flipping it.

    Attributes:
        iterations: flipping cycles.
        thresholds: δ at the start in standard deviations of the map, one for each round of restarts in turn.
        end_threshold: δ at the end.
        annealing: share of the iterations over which δ falls.
        weak_share: share of the measured reflections, the weakest, whose phase is turned by π/2 and whose
            amplitude is left free.
        density_share: share of the voxels that low-density elimination keeps.
        finishing: cycles of low-density elimination.
    """

    iterations: int
    thresholds: Sequence[float]
    end_threshold: float
    annealing: float
    weak_share: float
    density_share: float
    finishing: int

    def __call__(self, factors: Tensor, measurement: Measurement, round_number: int) -> Tensor:
        """Run all iterations from starting half boxes (B, n, n, n/2 + 1)."""
        start = self.thresholds[round_number % len(self.thresholds)]
        weak = weakest(measurement, self.weak_share)
        turn = quarter_turn(measurement.size, factors)
        for iteration in range(self.iterations):
            progress = min(1.0, iteration / max(1.0, self.annealing * self.iterations))
            density = measurement.map_of(factors)
            delta = density.flatten(1).std(1) * (start + (self.end_threshold - start) * progress)
            flipped = torch.where(density < delta[:, None, None, None], -density, density)
            spectrum = transform(flipped)
            factors = with_measured_amplitudes(spectrum, measurement)
            if self.weak_share:
                factors = torch.where(weak, spectrum * turn, factors)
        return eliminate_low_density(factors, measurement, self.density_share, self.finishing)


def weakest(measurement: Measurement, share: float) -> Tensor:
    """Return a bool mask (B, n, n, n/2 + 1) of the weakest measured reflections of each crystal."""
    values = torch.where(measurement.measured, measurement.amplitude, torch.inf).flatten(1).sort(1).values
    count = (measurement.measured.flatten(1).sum(1) * share).long()
    limit = values.gather(1, count[:, None])[:, :, None, None]
    return measurement.measured & (measurement.amplitude < limit)


def quarter_turn(size: int, like: Tensor) -> Tensor:
    """Return the factor exp(±iπ/2) (size, size, size/2 + 1) that turns h one way and −h the other.

    Both mates lie in the half box where l = 0; turned the same way they would cancel.
    """
    index = miller_indices("full", size).to(like.device)
    sign = torch.ones(size, size, size // 2 + 1, device=like.device)
    behind = (index[None, :] < 0) | ((index[None, :] == 0) & (index[:, None] < 0))
    sign[..., 0] = torch.where(behind, -1.0, 1.0)
    return (1j * sign).to(like.dtype)
