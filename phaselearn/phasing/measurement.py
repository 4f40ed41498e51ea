"""The data of a phasing method: blurred amplitudes, and the reflections that they constrain.

Everything here lies on the half box (n₁, n₂, n₃/2 + 1) of `torch.fft.rfftn`: the reflections with l ≥ 0 of a grid of
n₁ × n₂ × n₃ voxels, all even. The grid may be finer than the data require. On the coarsest grid, atoms between voxels
are hard to tell from ripples, and flipping fails. Short edges of a cell need fewer voxels than long ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from phaselearn.crystal.layout import BOX, Shape, half_box, inside_nyquist, resized
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.rows import Rows


@dataclass(frozen=True)
class Measurement(Rows):
    """Amplitudes of a batch of crystals, or of several restarts of each.

    Attributes:
        amplitude: (B, n₁, n₂, n₃/2 + 1) |F|·exp(−B s²/4) with B = 4 Å², scaled so that the measured reflections give a
            map of unit variance; 0 where unmeasured.
        measured: (B, n₁, n₂, n₃/2 + 1) bool; F(000) is not measured.
        free: (B, n₁, n₂, n₃/2 + 1) bool, unmeasured reflections within the resolution of the measured ones. Reflections
            that are neither measured nor free are zero.
        scale: (B,) amplitudes in electrons are `amplitude` times this.
        lattice: (B, 3, 3) in Å.
        box: n₁, n₂, n₃ of the data's FFT box.
    """

    amplitude: Tensor
    measured: Tensor
    free: Tensor
    scale: Tensor
    lattice: Tensor
    box: Shape

    @classmethod
    def of(cls, observed: Observed, shape: Shape | None = None) -> Measurement:
        """Scale and blur observed amplitudes, on a grid of n₁ × n₂ × n₃ voxels; None for the data's own grid."""
        shape = observed.shape if shape is None else shape
        square = observed.inverse_d_squared()
        limit = (square * observed.mask).flatten(1).amax(1)[:, None, None, None]
        free = (square <= limit * (1 + 1e-5)) & inside_nyquist(observed.shape, observed.mask.device) & ~observed.mask
        free[:, 0, 0, 0] = False
        # Point atoms ripple where their transform is cut off; flipping needs the blur that the maps have.
        amplitude = resized(observed.map_amplitude(), shape)
        total = amplitude.square().flatten(1).sum(1).sqrt()
        scale = total.clamp_min(torch.finfo(total.dtype).tiny) / math.prod(shape)
        return cls(
            half_box(amplitude / scale[:, None, None, None], shape).contiguous(),
            half_box(observed.mask, shape).contiguous(),
            half_box(free, shape).contiguous(),
            scale,
            observed.lattice,
            observed.shape,
        )

    @property
    def shape(self) -> Shape:
        """Voxels of a map along each axis."""
        return map_shape(self.amplitude)

    def phased(self, factors: Tensor) -> Tensor:
        """Return half boxes of the amplitudes with the phases of FFT boxes (B, n₁, n₂, n₃) of structure factors."""
        unit = torch.polar(torch.ones_like(factors.real), -factors.angle())
        return self.amplitude * half_box(unit, self.shape)

    def full_box(self, factors: Tensor) -> Tensor:
        """Return FFT boxes of the data's shape in electrons, in the signs of `phaselearn.crystal`."""
        fine = torch.fft.ifftn(map_of(factors), dim=BOX, norm="forward")
        return resized(fine, self.box) * self.scale[:, None, None, None]


@dataclass(frozen=True)
class AmplitudeConstraint(Rows):
    """The constraint of measured amplitudes on a spectrum S: it becomes imposed·S/|S| + passed·S.

    F(000) is neither imposed nor passed: left free, it grows until nothing is negative and every set of phases is a
    solution.

    Attributes:
        imposed: (B, n₁, n₂, n₃/2 + 1) amplitudes; 0 where none is imposed.
        passed: complex (B, n₁, n₂, n₃/2 + 1) factors of reflections that keep their own amplitude; 0 elsewhere.
    """

    imposed: Tensor
    passed: Tensor

    @classmethod
    def of(cls, measurement: Measurement) -> AmplitudeConstraint:
        """Impose all measured amplitudes, pass the free reflections, and set the others to zero."""
        return cls(measurement.amplitude, measurement.free.to(measurement.amplitude.dtype.to_complex()))

    def apply(self, spectrum: Tensor) -> Tensor:
        """Constrain half boxes (B, n₁, n₂, n₃/2 + 1), which keep their phases; zeros stay zero."""
        tiny = torch.finfo(self.imposed.dtype).tiny
        ratio = power(spectrum).add_(tiny).rsqrt_().mul_(self.imposed)
        return (spectrum * ratio).add_(spectrum * self.passed)


def map_shape(half: Tensor) -> Shape:
    """Return n₁, n₂, n₃ of half boxes (..., n₁, n₂, n₃/2 + 1)."""
    return half.shape[-3], half.shape[-2], 2 * (half.shape[-1] - 1)


def map_of(factors: Tensor) -> Tensor:
    """Return the maps (B, n₁, n₂, n₃) of half boxes (B, n₁, n₂, n₃/2 + 1)."""
    return torch.fft.irfftn(factors, s=map_shape(factors), dim=BOX)


def transform(density: Tensor) -> Tensor:
    """Return the half boxes (B, n₁, n₂, n₃/2 + 1) of maps (B, n₁, n₂, n₃)."""
    return torch.fft.rfftn(density, dim=BOX)


def power(factors: Tensor) -> Tensor:
    """Return |F|², six times as fast as `abs`, which guards against an overflow that cannot occur here."""
    squares = torch.view_as_real(factors).square()
    return squares[..., 0] + squares[..., 1]
