"""What a phasing method is given: blurred amplitudes, and which reflections they bind.

Everything here lies on the half box (n, n, n/2 + 1) of `torch.fft.rfftn`, the reflections with l ≥ 0, of a grid that
may be finer than the N³ of the data: on a grid as coarse as the data allow atoms between voxels are hard to tell from
ripples, and flipping fails.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from phaselearn.crystal.judgement import Observed
from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import inside_nyquist, miller_indices

_AXES = (-3, -2, -1)


@dataclass(frozen=True)
class Measurement:
    """Amplitudes of a batch of crystals, or of several restarts of each.

    Attributes:
        amplitude: (B, n, n, n/2 + 1) |F|·exp(−B s²/4) with the map's B, scaled so that the measured
            reflections give a map of unit variance; 0 where unmeasured.
        measured: bool, the same shape; F(000) is not measured.
        free: bool, unmeasured reflections within the resolution of the measured ones. What is neither
            measured nor free is zero.
        scale: (B,) amplitudes in electrons are `amplitude` times this.
        box: N of the data.
    """

    amplitude: Tensor
    measured: Tensor
    free: Tensor
    scale: Tensor
    box: int

    @classmethod
    def of(cls, observed: Observed, size: int | None = None) -> Measurement:
        """Scale and blur what was observed, on a grid of size³ voxels; null for that of the data."""
        box = observed.mask.shape[-1]
        size = box if size is None else size
        device = observed.mask.device
        half = size // 2 + 1
        # Point atoms ripple where their transform is cut off; flipping needs the blur that the maps have.
        amplitude = resized(observed.map_amplitude(), size)
        mask = resized(observed.mask, size)
        total = amplitude.square().flatten(1).sum(1).sqrt()
        scale = total.clamp_min(torch.finfo(total.dtype).tiny) / size**3
        square = inverse_d_squared(observed.lattice, miller_indices("full", size).to(device))
        limit = (square * mask).flatten(1).amax(1)[:, None, None, None]
        free = (square <= limit * (1 + 1e-5)) & resized(inside_nyquist(box, device)[None], size) & ~mask
        free[:, 0, 0, 0] = False
        return cls(
            (amplitude / scale[:, None, None, None])[..., :half].contiguous(),
            mask[..., :half].contiguous(),
            free[..., :half].contiguous(),
            scale,
            box,
        )

    def __len__(self) -> int:
        return len(self.amplitude)

    def take(self, index: Tensor) -> Measurement:
        """Return the measurements of some crystals, in the order and as often as `index` (K,) names them."""
        return Measurement(self.amplitude[index], self.measured[index], self.free[index], self.scale[index], self.box)

    @property
    def size(self) -> int:
        """n, voxels along each axis of a map."""
        return self.amplitude.shape[-2]

    def full_box(self, factors: Tensor) -> Tensor:
        """Return FFT boxes (B, N, N, N) of the data's size in electrons, in the signs of `phaselearn.crystal`."""
        fine = torch.fft.ifftn(map_of(factors), dim=_AXES, norm="forward")
        return resized(fine, self.box) * self.scale[:, None, None, None]


@dataclass(frozen=True)
class AmplitudeConstraint:
    """What measured amplitudes demand of a spectrum S: it becomes imposed·S/|S| + passed·S.

    F(000) is neither imposed nor passed: left free, it grows until nothing is negative and every set of phases is a
    solution.

    Attributes:
        imposed: (B, n, n, n/2 + 1) amplitudes; 0 where none is imposed.
        passed: complex (B, n, n, n/2 + 1) factors of what keeps its own amplitude; 0 elsewhere.
    """

    imposed: Tensor
    passed: Tensor

    @classmethod
    def of(cls, measurement: Measurement) -> AmplitudeConstraint:
        """Impose all measured amplitudes, pass what is free, empty the rest."""
        return cls(measurement.amplitude, measurement.free.to(measurement.amplitude.dtype.to_complex()))

    @property
    def size(self) -> int:
        """n, voxels along each axis of a map."""
        return self.imposed.shape[-2]

    def take(self, index: Tensor) -> AmplitudeConstraint:
        """Return the constraints of some crystals, in the order and as often as `index` (K,) names them."""
        return AmplitudeConstraint(self.imposed[index], self.passed[index])

    def apply(self, spectrum: Tensor) -> Tensor:
        """Return half boxes (B, n, n, n/2 + 1) that obey, with the phases of the spectrum; phase 0 of nothing is 0."""
        tiny = torch.finfo(self.imposed.dtype).tiny
        ratio = power(spectrum).add_(tiny).rsqrt_().mul_(self.imposed)
        return (spectrum * ratio).add_(spectrum * self.passed)


def resized(values: Tensor, size: int) -> Tensor:
    """Return FFT boxes (B, N, N, N) on boxes of another size: reflections that one of the two lacks are left out."""
    present = values.shape[-1]
    if size == present:
        return values
    index = miller_indices("full", min(size, present))
    index = index[index.abs() * 2 < min(size, present)].to(values.device)
    result = values.new_zeros((len(values), size, size, size))
    target, source = index % size, index % present
    result[:, target[:, None, None], target[None, :, None], target[None, None, :]] = values[
        :, source[:, None, None], source[None, :, None], source[None, None, :]
    ]
    return result


def map_of(factors: Tensor) -> Tensor:
    """Return the maps (B, n, n, n) of half boxes (B, n, n, n/2 + 1), n even."""
    return torch.fft.irfftn(factors, s=(factors.shape[-2],) * 3, dim=_AXES)


def transform(density: Tensor) -> Tensor:
    """Return the half boxes (B, n, n, n/2 + 1) of maps (B, n, n, n)."""
    return torch.fft.rfftn(density, dim=_AXES)


def power(factors: Tensor) -> Tensor:
    """Return |F|², six times as fast as by `abs`, which guards against an overflow that cannot occur here."""
    squares = torch.view_as_real(factors).square()
    return squares[..., 0] + squares[..., 1]
