"""Relaxed averaged alternating reflections (Luke, Inverse Problems 21, 37, 2005), amplitudes and sparsity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from phaselearn.phasing.measurement import AmplitudeConstraint, Measurement, map_of, transform
from phaselearn.phasing.projections import keep_largest


@dataclass(frozen=True)
class RelaxedReflections:
    """x ← β/2 (R_S R_A + 1) x + (1 − β) P_A x, R = 2P − 1.

    P_A restores the measured amplitudes. P_S keeps a share of the voxels, the largest, and none that is negative. With
    β = 1 this is the difference map at its β = 1. A smaller β holds the iterate near the measured amplitudes, where it
    settles. Written out, it is β (x + P_S R_A x) + (1 − 2β) P_A x, in which only P_S needs the map.

    Attributes:
        iterations: cycles of a restart.
        beta: relaxation β in (0, 1].
        density_shares: shares of the voxels that P_S keeps; each round of restarts takes the next one.
    """

    iterations: int
    beta: float
    density_shares: Sequence[float]

    def prolonged(self, factor: float) -> RelaxedReflections:
        """Return the same with more cycles, by a factor of at least 1."""
        return replace(self, iterations=round(factor * self.iterations))

    def constraint(self, measurement: Measurement) -> AmplitudeConstraint:
        """Return the constraint of the amplitudes."""
        return AmplitudeConstraint.of(measurement)

    def advance(self, factors: Tensor, constraint: AmplitudeConstraint, round_number: int, cycles: range) -> Tensor:
        """Run some cycles on half boxes (B, n₁, n₂, n₃/2 + 1) of x."""
        share = self.density_shares[round_number % len(self.density_shares)]
        for _ in cycles:
            fitted = constraint.apply(factors)
            sparse = transform(keep_largest(map_of(torch.sub(2 * fitted, factors)), share))
            factors = sparse.add_(factors).mul_(self.beta).add_(fitted, alpha=1 - 2 * self.beta)
        return factors
