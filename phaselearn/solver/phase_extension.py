"""Phases for reflections that a network does not reach, from the phases that it has found."""

from __future__ import annotations

import math

from torch import Tensor

from phaselearn.crystal.layout import half_box
from phaselearn.crystal.observed import Observed
from phaselearn.phasing.measurement import AmplitudeConstraint, Measurement
from phaselearn.phasing.projections import eliminate_low_density

_OVERSAMPLING = 1.6  # voxels along an axis for each voxel of the data's grid


def extend(factors: Tensor, observed: Observed, chosen: Tensor, density_share: float, iterations: int) -> Tensor:
    """Fill in the phases of some reflections by low-density elimination (Shiono & Woolfson 1992).

    Args:
        factors: FFT boxes (B, n₁, n₂, n₃); the reflections to phase are zero or have a first guess.
        observed: the crystals' reflections.
        chosen: (B,) bool, the crystals that have such reflections.
        density_share: share of the voxels that hold density.
        iterations: number of cycles.

    Returns:
        FFT boxes (B, n₁, n₂, n₃); other crystals are left as they are.
    """
    beyond = chosen.nonzero()[:, 0]
    if not len(beyond):
        return factors
    # On the data's own grid, atoms between voxels are hard to tell from ripples (`phaselearn.phasing.measurement`).
    first, second, third = (2 * math.ceil(_OVERSAMPLING * size / 2) for size in observed.shape)
    measurement = Measurement.of(observed[beyond], (first, second, third))
    start = half_box(factors[beyond], measurement.shape).conj()
    start = start / measurement.scale[:, None, None, None]
    extended = eliminate_low_density(start, AmplitudeConstraint.of(measurement), density_share, iterations)
    return factors.index_copy(0, beyond, measurement.full_box(extended))
