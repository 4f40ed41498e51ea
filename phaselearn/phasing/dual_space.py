"""Dual-space recycling: the highest peaks of a map become atoms, whose phases give the next map.

Each cycle leaves out a random part of the peaks, as in SHELXD (Sheldrick & Gould, Acta Cryst. B51, 423, 1995). Cycles
between peaks and phases are those of Shake-and-Bake (Miller et al., Science 259, 1430, 1993). They solve molecules of
equal atoms in groups without a centre of inversion, where charge flipping ends in maps that have one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import Shape, miller_box, shape_of
from phaselearn.crystal.observed import MAP_B_ISO
from phaselearn.phasing.measurement import AmplitudeConstraint, Measurement, map_of, power, transform

_WHOLE = 3  # cycles at the end that leave out no peak


@dataclass(frozen=True)
class PeakConstraint(AmplitudeConstraint):
    """The constraint of the amplitudes, with what the search for peaks reads.

    Attributes:
        strong: (B, n₁, n₂, n₃/2 + 1) normalised amplitudes |E| of the strong reflections; 0 elsewhere.
        peaks: (B,) numbers of peaks.
    """

    strong: Tensor
    peaks: Tensor


@dataclass(frozen=True, kw_only=True)
class DualSpace:
    """Cycles that replace the map of the strong reflections by its highest peaks and then restore the amplitudes.

    Attributes:
        iterations: number of cycles of a restart.
        atom_volume: Å³ of the cell for each peak.
        omitted: share of the peaks that a cycle leaves out at random.
        least_e: least |E| of a strong reflection.
    """

    iterations: int
    atom_volume: float
    omitted: float
    least_e: float

    def prolonged(self, factor: float) -> DualSpace:
        """Return the same with more cycles, by a factor of at least 1."""
        return replace(self, iterations=round(factor * self.iterations))

    def constraint(self, measurement: Measurement) -> PeakConstraint:
        """Return the measured amplitudes, and |E| of the strong ones: |F| of point atoms, whose mean square is 1."""
        first, second, third = miller_box(measurement.shape, measurement.amplitude.device)
        half = third[: measurement.shape[2] // 2 + 1].abs()
        square = inverse_d_squared(measurement.lattice, first, second, half)
        sharp = measurement.amplitude * torch.exp(MAP_B_ISO / 4 * square)
        count = measurement.measured.flatten(1).sum(1).clamp_min(1)
        deviation = (sharp.square().flatten(1).sum(1) / count).sqrt().clamp_min(torch.finfo(sharp.dtype).tiny)
        normalised = sharp / deviation[:, None, None, None]
        measured = AmplitudeConstraint.of(measurement)
        return PeakConstraint(
            measured.imposed,
            torch.zeros_like(measured.passed),
            torch.where(normalised >= self.least_e, normalised, 0.0),
            (measurement.lattice.det().abs() / self.atom_volume).round().long().clamp_min(1),
        )

    def advance(self, factors: Tensor, constraint: AmplitudeConstraint, round_number: int, cycles: range) -> Tensor:
        """Run some cycles on half boxes (B, n₁, n₂, n₃/2 + 1)."""
        assert isinstance(constraint, PeakConstraint)
        for cycle in cycles:
            size = power(factors).add_(torch.finfo(factors.real.dtype).tiny).rsqrt_().mul_(constraint.strong)
            density = map_of(factors * size)
            kept = None
            if cycle < self.iterations - _WHOLE:
                kept = _random_field(shape_of(density), round_number, cycle).to(density) >= self.omitted
            factors = constraint.apply(transform(highest_peaks(density, constraint.peaks, kept)))
        return factors


def highest_peaks(density: Tensor, count: Tensor, kept: Tensor | None = None) -> Tensor:
    """Set all but the highest peaks of maps to zero; a peak is the highest voxel within two along each axis.

    Args:
        density: (B, n₁, n₂, n₃).
        count: (B,) numbers of peaks.
        kept: (n₁, n₂, n₃) bool, the voxels whose peaks are kept; None for all.
    """
    is_peak = (density >= _highest_around(density)) & (density > 0)
    values = torch.where(is_peak, density, 0.0).flatten(1)
    most = min(int(count.max()), values.shape[1])
    highest = values.topk(most, dim=1)
    rank = torch.arange(most, device=count.device)
    chosen = torch.where(rank < count[:, None], highest.values, 0.0)
    peaks = torch.zeros_like(values).scatter_(1, highest.indices, chosen).view_as(density)
    return peaks if kept is None else peaks * kept


def _highest_around(density: Tensor) -> Tensor:
    """Return the highest value within two voxels along each axis, by two steps of one voxel.

    `max_pool3d` of a padded map gives the same and takes 19 times as long.
    """
    for axis in (1, 2, 3):
        for _ in range(2):
            density = torch.maximum(density, torch.maximum(density.roll(1, axis), density.roll(-1, axis)))
    return density


def _random_field(shape: Shape, round_number: int, cycle: int) -> Tensor:
    """Return random numbers in [0, 1) on a grid. They depend on the cycle alone, so never on the batch."""
    generator = torch.Generator().manual_seed(round_number << 20 | cycle)
    return torch.rand(shape, generator=generator)
