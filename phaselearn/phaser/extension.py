"""Phases for reflections beyond the resolution that the network works at, from those that it has found."""

from __future__ import annotations

import torch
from torch import Tensor

from phaselearn.crystal.judgement import Observed
from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import miller_indices
from phaselearn.phasing.measurement import AmplitudeConstraint, Measurement
from phaselearn.phasing.projections import eliminate_low_density


def cut(observed: Observed, d_min: float) -> Observed:
    """Leave out the reflections with d < d_min (Å)."""
    mask = observed.mask & _within(observed, d_min)
    return Observed(observed.amplitude * mask, mask, observed.lattice)


def extend(factors: Tensor, observed: Observed, d_min: float, density_share: float, iterations: int) -> Tensor:
    """Fill in the phases of the reflections with d < d_min by low-density elimination (Shiono & Woolfson 1992).

    Args:
        factors: FFT boxes (B, N, N, N), zero at d < d_min.
        observed: of the same crystals.
        d_min: in Å.
        density_share: of the voxels that hold density.
        iterations: cycles.

    Returns:
        FFT boxes; those of crystals without such reflections are as they were.
    """
    beyond = (observed.mask & ~_within(observed, d_min)).flatten(1).any(1).nonzero()[:, 0]
    if not len(beyond):
        return factors
    part = Observed(observed.amplitude[beyond], observed.mask[beyond], observed.lattice[beyond])
    measurement = Measurement.of(part)
    start = factors[beyond, ..., : measurement.amplitude.shape[-1]].conj() / measurement.scale[:, None, None, None]
    extended = eliminate_low_density(start, AmplitudeConstraint.of(measurement), density_share, iterations)
    return factors.index_copy(0, beyond, measurement.full_box(extended))


def _within(observed: Observed, d_min: float) -> Tensor:
    index = miller_indices("full", observed.mask.shape[-1]).to(observed.lattice.device)
    return inverse_d_squared(observed.lattice, index) <= (1 + torch.finfo(torch.float32).eps) / d_min**2
