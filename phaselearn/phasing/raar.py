"""Relaxed averaged alternating reflections (Luke, Inverse Problems 21, 37, 2005), amplitudes and sparsity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from phaselearn.phasing.measurement import Measurement, transform, with_measured_amplitudes
from phaselearn.phasing.projections import eliminate_low_density, keep_largest


@dataclass(frozen=True)
class RelaxedReflections:
    """x ← β/2 (R_S R_A + 1) x + (1 − β) P_A x, R = 2P − 1.

    P_A puts the measured amplitudes back, P_S keeps a share of the voxels, the largest and none negative.
    With β = 1 this is the difference map at its β = 1; below, the iterate is held near the measured
    amplitudes and settles.

    Attributes:
        iterations: cycles.
        beta: relaxation β in (0, 1].
        density_shares: share of the voxels that P_S keeps, one for each round of restarts in turn.
        finishing: cycles of low-density elimination at the end.
    """

    iterations: int
    beta: float
    density_shares: Sequence[float]
    finishing: int

    def __call__(self, factors: Tensor, measurement: Measurement, round_number: int) -> Tensor:
        """Run all iterations from starting half boxes (B, n, n, n/2 + 1)."""
        share = self.density_shares[round_number % len(self.density_shares)]
        density = measurement.map_of(factors)
        for _ in range(self.iterations):
            fitted = measurement.map_of(with_measured_amplitudes(transform(density), measurement))
            reflected = 2 * fitted - density
            sparse = keep_largest(reflected, share)
            density = self.beta / 2 * (2 * sparse - reflected + density) + (1 - self.beta) * fitted
        factors = with_measured_amplitudes(transform(density), measurement)
        return eliminate_low_density(factors, measurement, share, self.finishing)
