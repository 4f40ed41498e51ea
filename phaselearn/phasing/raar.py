"""Relaxed averaged alternating reflections (Luke, Inverse Problems 21, 37, 2005), amplitudes and sparsity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from phaselearn.phasing.measurement import AmplitudeConstraint, Measurement, map_of, transform
from phaselearn.phasing.projections import keep_largest


@dataclass(frozen=True)
class RelaxedReflections:
    """x ← β/2 (R_S R_A + 1) x + (1 − β) P_A x, R = 2P − 1.

    P_A puts the measured amplitudes back, P_S keeps a share of the voxels, the largest and none negative.
    With β = 1 this is the difference map at its β = 1; below, the iterate is held near the measured
    amplitudes and settles.

    Attributes:
        iterations: cycles of a restart.
        beta: relaxation β in (0, 1].
        density_shares: share of the voxels that P_S keeps, one for each round of restarts in turn.
    """

    iterations: int
    beta: float
    density_shares: Sequence[float]

    def constraint(self, measurement: Measurement) -> AmplitudeConstraint:
        """Return what the amplitudes demand."""
        return AmplitudeConstraint.of(measurement)

    def start(self, factors: Tensor) -> Tensor:
        """Return the state, a map (B, n, n, n), of starting half boxes."""
        return map_of(factors)

    def advance(self, density: Tensor, constraint: AmplitudeConstraint, round_number: int, cycles: range) -> Tensor:
        """Run some cycles on maps (B, n, n, n)."""
        share = self.density_shares[round_number % len(self.density_shares)]
        for _ in cycles:
            fitted = map_of(constraint.apply(transform(density)))
            reflected = (2 * fitted).sub_(density)
            sparse = keep_largest(reflected, share)
            density = density.add(sparse, alpha=2).sub_(reflected).mul_(self.beta / 2)
            density.add_(fitted, alpha=1 - self.beta)
        return density

    def factors(self, density: Tensor) -> Tensor:
        """Return the half boxes of a state, their amplitudes not those measured."""
        return transform(density)
