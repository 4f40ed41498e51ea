"""Charge flipping (Oszlányi & Sütő, Acta Cryst. A60, 134, 2004; weak reflections: A61, 147, 2005)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from phaselearn.crystal.layout import miller_indices
from phaselearn.phasing.measurement import AmplitudeConstraint, Measurement, map_of, transform


@dataclass(frozen=True)
class ChargeFlipping:
    """Cycles that flip the sign of all density below δ and then restore the measured amplitudes.

    δ falls from the start threshold to the end threshold over the first part of the iterations. A high δ finds the
    heavy atoms; a low one lets the light ones appear.

    Attributes:
        iterations: number of flipping cycles of a restart.
        thresholds: δ at the start, in standard deviations of the map of the measured reflections; each round of
            restarts takes the next one.
        end_threshold: δ at the end.
        annealing: share of the iterations over which δ falls.
        weak_share: share of the measured reflections that count as weak: their phases are turned by π/2, and their
            amplitudes left free.
    """

    iterations: int
    thresholds: Sequence[float]
    end_threshold: float
    annealing: float
    weak_share: float

    def prolonged(self, factor: float) -> ChargeFlipping:
        """Return the same with more cycles, by a factor of at least 1."""
        return replace(self, iterations=round(factor * self.iterations))

    def constraint(self, measurement: Measurement) -> AmplitudeConstraint:
        """Return the constraint of the amplitudes; weak reflections are turned, and their amplitudes left free."""
        free = AmplitudeConstraint.of(measurement)
        weak = weakest(measurement, self.weak_share)
        turn = quarter_turn(free.passed)
        return AmplitudeConstraint(free.imposed * ~weak, torch.where(weak, turn, free.passed))

    def advance(self, factors: Tensor, constraint: AmplitudeConstraint, round_number: int, cycles: range) -> Tensor:
        """Run some cycles on half boxes (B, n₁, n₂, n₃/2 + 1)."""
        start = self.thresholds[round_number % len(self.thresholds)]
        for cycle in cycles:
            progress = min(1.0, cycle / max(1.0, self.annealing * self.iterations))
            delta = start + (self.end_threshold - start) * progress
            # The flipped map is twice the part above δ minus the map itself, whose transform is known.
            above = torch.threshold_(map_of(factors), delta, 0.0)
            factors = constraint.apply(transform(above).mul_(2).sub_(factors))
        return factors


def weakest(measurement: Measurement, share: float) -> Tensor:
    """Return a bool mask (B, n₁, n₂, n₃/2 + 1) of the weakest measured reflections of each crystal."""
    values = torch.where(measurement.measured, measurement.amplitude, torch.inf).flatten(1).sort(1).values
    count = (measurement.measured.flatten(1).sum(1) * share).long()
    limit = values.gather(1, count[:, None])[:, :, None, None]
    return measurement.measured & (measurement.amplitude < limit)


def quarter_turn(like: Tensor) -> Tensor:
    """Return factors exp(±iπ/2), (n₁, n₂, n₃/2 + 1), for half boxes like these; h and −h turn in opposite directions.

    At l = 0 the half box holds both mates, which would cancel if they were turned in the same direction.
    """
    h, k = (miller_indices("full", size).to(like.device) for size in like.shape[1:3])
    sign = torch.ones(like.shape[1:], device=like.device)
    behind = (k[None, :] < 0) | ((k[None, :] == 0) & (h[:, None] < 0))
    sign[..., 0] = torch.where(behind, -1.0, 1.0)
    return (1j * sign).to(like.dtype)
