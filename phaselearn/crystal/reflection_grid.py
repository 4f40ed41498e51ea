"""The reflections of crystals on a grid no finer than they need, its axes in the order of the cell's edges.

A voxel is then about half the resolution wide along every axis of every crystal: an atom looks the same to a
convolution whatever the cell, and small cells cost little.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from phaselearn.crystal.judgement import MAP_B_ISO, Observed
from phaselearn.crystal.lattice import inverse_d_squared, metric
from phaselearn.crystal.layout import miller_indices

_AXES = (-3, -2, -1)
_COARSEST = 5.0  # Å, written for crystals without a reflection too
_SHELLS = 6  # of equal width in s², for the fall of the mean intensity with resolution
_STEEPEST = 10.0  # fall of ln⟨|F|²⟩ over all shells; more is an accident of few reflections
DESCRIPTION = 8  # numbers that describe a crystal's cell and data


@dataclass(frozen=True)
class ReflectionGrid:
    """Amplitudes of B crystals on the half box (n₁, n₂, n₃/2 + 1) of `torch.fft.rfftn`; edges a ≤ b ≤ c.

    Attributes:
        amplitude: |F|·exp(−B s²/4) with the map's B, scaled to a map of unit variance; 0 where unmeasured.
        normalised: |E|, the same without the fall of the mean intensity with resolution: a sharper map.
        measured: bool; F(000) is not measured.
        description: (B, 8) voxel edges in Å, cosines of α, β, γ, resolution in Å, ln of the number of reflections.
        order: (B, 3) which of the crystal's own axes each axis of the grid is.
        shape: n₁, n₂, n₃.
    """

    amplitude: Tensor
    normalised: Tensor
    measured: Tensor
    description: Tensor
    order: Tensor
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, observed: Observed, shape: tuple[int, int, int]) -> ReflectionGrid:
        """Lay what was observed on a grid, at least as large as `grid_shapes` says; what it cannot hold is left out."""
        order = _order(observed.lattice)
        amplitude, measured, square = (
            _on_grid(box, order, shape) for box in (observed.amplitude, observed.mask, _inverse_d_squared(observed))
        )
        blurred = amplitude * torch.exp(-MAP_B_ISO / 4 * square)
        return cls(
            _unit_variance(blurred, shape),
            _unit_variance(_normalised(amplitude, measured, square), shape),
            measured,
            _describe(observed.lattice, measured, square, order, shape),
            order,
            shape,
        )

    def __len__(self) -> int:
        return len(self.amplitude)

    def taken(self, index: Tensor) -> ReflectionGrid:
        """Return the grids of some crystals, in the order and as often as `index` (K,) names them."""
        names = ("amplitude", "normalised", "measured", "description", "order")
        return replace(self, **{name: getattr(self, name)[index] for name in names})

    def map_of(self, factors: Tensor) -> Tensor:
        """Return the maps (…, n₁, n₂, n₃) of half boxes."""
        return torch.fft.irfftn(factors, s=self.shape, dim=_AXES)

    def on_grid(self, factors: Tensor) -> Tensor:
        """Return FFT boxes (B, N, N, N) of structure factors as half boxes of this grid."""
        # A crystallographer's F has exp(+2πi h·x), a forward FFT exp(−2πi h·x).
        return _on_grid(factors, self.order, self.shape).conj() * self.measured

    def full_box(self, factors: Tensor, size: int) -> Tensor:
        """Return half boxes as FFT boxes (B, N, N, N) of structure factors in the crystals' own axes."""
        full = torch.fft.ifftn(self.map_of(factors), dim=_AXES, norm="forward")
        place = self.order.argsort(1)
        lengths = torch.tensor(self.shape, device=place.device)
        strides = torch.tensor((self.shape[1] * self.shape[2], self.shape[2], 1), device=place.device)
        index = miller_indices("full", size).to(place.device)
        length = lengths[place][..., None]  # (B, 3, 1): along each of the crystal's axes
        inside = index.abs() * 2 < length
        values = _gather(full, (index % length) * strides[place][..., None])
        return values * _outer(inside, torch.logical_and)


def grid_shapes(observed: Observed) -> Tensor:
    """Return (B, 3) the voxels that the reflections of each crystal need, along its edges a ≤ b ≤ c."""
    index = miller_indices("full", observed.mask.shape[-1]).abs().to(observed.mask.device)
    largest = [(observed.mask.movedim(axis, 1).flatten(2).any(2) * index).amax(1) for axis in (1, 2, 3)]
    return (2 * torch.stack(largest, 1) + 2).gather(1, _order(observed.lattice))


def _order(lattice: Tensor) -> Tensor:
    return torch.linalg.vector_norm(lattice, dim=-1).argsort(dim=1, stable=True)


def _inverse_d_squared(observed: Observed) -> Tensor:
    index = miller_indices("full", observed.mask.shape[-1]).to(observed.lattice.device)
    return inverse_d_squared(observed.lattice, index)


def _on_grid(box: Tensor, order: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Read FFT boxes (B, N, N, N) on half boxes (B, n₁, n₂, n₃/2 + 1), axes reordered; zero where N is too small."""
    size = box.shape[-1]
    strides = torch.tensor((size**2, size, 1), device=box.device)[order]
    offsets, held = [], []
    for axis, length in enumerate(shape):
        index = torch.fft.fftfreq(length, 1 / length).round().long()[: length // 2 + 1 if axis == 2 else length]
        index = index.to(box.device)
        offsets.append((index % size) * strides[:, axis, None])
        held.append(index.abs() * 2 < min(size, length))
    flat = offsets[0][:, :, None, None] + offsets[1][:, None, :, None] + offsets[2][:, None, None, :]
    values = box.flatten(1).gather(1, flat.flatten(1)).view(flat.shape)
    return values * (held[0][:, None, None] & held[1][:, None] & held[2])


def _gather(boxes: Tensor, offsets: Tensor) -> Tensor:
    """Read boxes (B, …) at the sums of one offset an axis, (B, 3, N): (B, N, N, N)."""
    flat = _outer(offsets, torch.add)
    return boxes.flatten(1).gather(1, flat.flatten(1)).view(flat.shape)


def _outer(values: Tensor, combine) -> Tensor:
    """Combine values (B, 3, N) along three axes to (B, N, N, N)."""
    first, second, third = values[:, 0, :, None, None], values[:, 1, None, :, None], values[:, 2, None, None, :]
    return combine(combine(first, second), third)


def _both_halves(values: Tensor) -> Tensor:
    """Return (B,) the sums of half boxes over the whole box: all but l = 0 stands for its Friedel mate too."""
    return 2 * values.flatten(1).sum(1) - values[..., 0].flatten(1).sum(1)


def _unit_variance(amplitude: Tensor, shape: tuple[int, int, int]) -> Tensor:
    voxels = shape[0] * shape[1] * shape[2]
    power = _both_halves(amplitude.square()).clamp_min(torch.finfo(amplitude.dtype).tiny)
    return amplitude * (voxels / power.sqrt())[:, None, None, None]


def _normalised(amplitude: Tensor, measured: Tensor, square: Tensor) -> Tensor:
    """Return |E| up to a factor: |F| over the root of its mean intensity, exp(α − β s²) fitted to shells (Wilson)."""
    limit = (square * measured).flatten(1).amax(1).clamp_min(1e-6)[:, None, None, None]
    shell = (square / limit * _SHELLS).long().clamp_max(_SHELLS - 1).flatten(1)
    count, total = (
        values.new_zeros((len(values), _SHELLS)).scatter_add_(1, shell, values.flatten(1))
        for values in (measured.to(amplitude), amplitude.square() * measured)
    )
    # Intensities of a shell scatter by their own size, so a shell counts as often as it has reflections.
    mean = total / count.clamp_min(1)
    # A shell of absent reflections says nothing of the fall.
    overall = total.sum(1, keepdim=True) / count.sum(1, keepdim=True).clamp_min(1)
    mean = mean.clamp_min(1e-2 * overall).clamp_min(torch.finfo(amplitude.dtype).tiny)
    weight = count * (total > 0)
    weight = weight / weight.sum(1, keepdim=True).clamp_min(1)
    middle = (torch.arange(_SHELLS, device=square.device) + 0.5) / _SHELLS
    centred = middle - (weight * middle).sum(1, keepdim=True)
    slope = (weight * centred * mean.log()).sum(1) / (weight * centred.square()).sum(1).clamp_min(1e-6)
    fall = slope.clamp(-_STEEPEST, _STEEPEST)[:, None, None, None] * (square / limit).clamp_max(1)
    return amplitude * torch.exp(-0.5 * fall) * measured


def _describe(lattice: Tensor, measured: Tensor, square: Tensor, order: Tensor, shape: tuple[int, int, int]) -> Tensor:
    dots = metric(lattice)
    edge = dots.diagonal(dim1=-2, dim2=-1).sqrt()
    cosine = dots / (edge[:, :, None] * edge[:, None, :])
    rows = torch.arange(len(lattice), device=lattice.device)
    cosines = [cosine[rows, order[:, i], order[:, j]] for i, j in ((1, 2), (0, 2), (0, 1))]
    voxel = edge.gather(1, order) / torch.tensor(shape, device=lattice.device)
    resolution = (square * measured).flatten(1).amax(1).rsqrt().clamp_max(_COARSEST)
    count = _both_halves(measured.to(square)).clamp_min(2) / 2
    return torch.cat((voxel, torch.stack((*cosines, resolution, count.log() / 5), 1)), 1).to(lattice.dtype)
