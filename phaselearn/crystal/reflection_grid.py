"""The reflections of crystals on a grid no finer than they need, its axes in the order of the cell's edges.

A voxel is then about half the resolution wide along every axis of every crystal: an atom looks the same to a
convolution whatever the cell, and small cells cost little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from phaselearn.crystal.lattice import metric
from phaselearn.crystal.layout import BOX, Shape, miller_box, shape_of, strides
from phaselearn.crystal.observed import MAP_B_ISO, Observed
from phaselearn.crystal.rows import Rows

_COARSEST = 5.0  # Å; a coarser resolution, or none, is described as this
_SHELLS = 6  # of equal width in s², for the fall of the mean intensity with resolution
_STEEPEST = 10.0  # fall of ln⟨|F|²⟩ over all shells; a steeper one comes from having few reflections
DESCRIPTION = 8  # numbers that describe a crystal's cell and data


@dataclass(frozen=True)
class ReflectionGrid(Rows):
    """Amplitudes of B crystals on the half box (n₁, n₂, n₃/2 + 1) of `torch.fft.rfftn`; edges a ≤ b ≤ c.

    Attributes:
        amplitude: |F|·exp(−B s²/4) with B = 4 Å², scaled to a map of unit variance; 0 where unmeasured.
        normalised: |E|, scaled in the same way: |F| without the fall of the mean intensity with resolution.
        measured: bool; F(000) is not measured.
        description: (B, 8) voxel edges in Å, cosines of α, β, γ, resolution in Å, ln of the number of reflections.
        order: (B, 3) the crystal's own axis along each axis of the grid.
        shape: voxels n₁, n₂, n₃ of a map.
    """

    amplitude: Tensor
    normalised: Tensor
    measured: Tensor
    description: Tensor
    order: Tensor
    shape: Shape

    @classmethod
    def of(cls, observed: Observed, shape: Shape) -> ReflectionGrid:
        """Place observed reflections on a grid of this shape; those that it cannot hold are left out.

        The grid should be at least as large as `grid_shapes` says.
        """
        order = observed.axis_order()
        amplitude, measured, square = (
            _on_grid(box, order, shape) for box in (observed.amplitude, observed.mask, observed.inverse_d_squared())
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

    def map_of(self, factors: Tensor) -> Tensor:
        """Return the maps (…, n₁, n₂, n₃) of half boxes."""
        return torch.fft.irfftn(factors, s=self.shape, dim=BOX)

    def on_grid(self, factors: Tensor) -> Tensor:
        """Return FFT boxes (B, m₁, m₂, m₃) of structure factors as half boxes of this grid."""
        # A crystallographer's F has exp(+2πi h·x), a forward FFT exp(−2πi h·x).
        return _on_grid(factors, self.order, self.shape).conj() * self.measured

    def full_box(self, factors: Tensor, shape: Shape) -> Tensor:
        """Return half boxes as FFT boxes (B, m₁, m₂, m₃) of structure factors in the crystals' own axes."""
        full = torch.fft.ifftn(self.map_of(factors), dim=BOX, norm="forward")
        place = self.order.argsort(1)
        lengths = torch.tensor(self.shape, device=place.device)
        apart = strides(self.shape, place.device)
        inside, offset = [], []
        for axis, index in enumerate(miller_box(shape, place.device)):
            length = lengths[place[:, axis, None]]  # (B, 1): of the grid along this axis of the crystal
            inside.append(index.abs() * 2 < length)
            offset.append((index % length) * apart[place[:, axis, None]])
        return _gather(full, _outer(offset, torch.add)) * _outer(inside, torch.logical_and)


def grid_shapes(observed: Observed) -> Tensor:
    """Return (B, 3) the number of voxels that each crystal's reflections need along its edges a ≤ b ≤ c."""
    return (2 * observed.largest_indices() + 2).gather(1, observed.axis_order())


def _on_grid(box: Tensor, order: Tensor, shape: Shape) -> Tensor:
    """Read FFT boxes (B, m₁, m₂, m₃) on half boxes (B, n₁, n₂, n₃/2 + 1), axes reordered; zero beyond the boxes."""
    sizes = torch.tensor(box.shape[1:], device=box.device)
    apart = strides(shape_of(box), box.device)
    offsets, held = [], []
    for axis, index in enumerate(miller_box(shape, box.device)):
        index = index[: shape[2] // 2 + 1] if axis == 2 else index
        size, stride = sizes[order[:, axis, None]], apart[order[:, axis, None]]  # (B, 1)
        offsets.append((index % size) * stride)
        held.append(index.abs() * 2 < size.clamp_max(shape[axis]))
    return _gather(box, _outer(offsets, torch.add)) * _outer(held, torch.logical_and)


def _gather(boxes: Tensor, places: Tensor) -> Tensor:
    """Read boxes (B, …) at flat places (B, n₁, n₂, n₃)."""
    return boxes.flatten(1).gather(1, places.flatten(1)).view(places.shape)


def _outer(values: Sequence[Tensor], combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Combine values (B, n₁), (B, n₂) and (B, n₃) along three axes to (B, n₁, n₂, n₃)."""
    first, second, third = values
    return combine(combine(first[:, :, None, None], second[:, None, :, None]), third[:, None, None, :])


def _both_halves(values: Tensor) -> Tensor:
    """Return (B,) the sums of half boxes over the whole box: reflections with l > 0 count for their mates, too."""
    return 2 * values.flatten(1).sum(1) - values[..., 0].flatten(1).sum(1)


def _unit_variance(amplitude: Tensor, shape: Shape) -> Tensor:
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
    # Intensities scatter in proportion to their mean, so the weight of a shell is its number of reflections.
    mean = total / count.clamp_min(1)
    # A shell of absent reflections says nothing about the fall.
    overall = total.sum(1, keepdim=True) / count.sum(1, keepdim=True).clamp_min(1)
    mean = mean.clamp_min(1e-2 * overall).clamp_min(torch.finfo(amplitude.dtype).tiny)
    weight = count * (total > 0)
    weight = weight / weight.sum(1, keepdim=True).clamp_min(1)
    middle = (torch.arange(_SHELLS, device=square.device) + 0.5) / _SHELLS
    centred = middle - (weight * middle).sum(1, keepdim=True)
    slope = (weight * centred * mean.log()).sum(1) / (weight * centred.square()).sum(1).clamp_min(1e-6)
    fall = slope.clamp(-_STEEPEST, _STEEPEST)[:, None, None, None] * (square / limit).clamp_max(1)
    return amplitude * torch.exp(-0.5 * fall) * measured


def _describe(lattice: Tensor, measured: Tensor, square: Tensor, order: Tensor, shape: Shape) -> Tensor:
    dots = metric(lattice)
    edge = dots.diagonal(dim1=-2, dim2=-1).sqrt()
    cosine = dots / (edge[:, :, None] * edge[:, None, :])
    rows = torch.arange(len(lattice), device=lattice.device)
    cosines = [cosine[rows, order[:, i], order[:, j]] for i, j in ((1, 2), (0, 2), (0, 1))]
    voxel = edge.gather(1, order) / torch.tensor(shape, device=lattice.device)
    resolution = (square * measured).flatten(1).amax(1).rsqrt().clamp_max(_COARSEST)
    count = _both_halves(measured.to(square)).clamp_min(2) / 2
    return torch.cat((voxel, torch.stack((*cosines, resolution, count.log() / 5), 1)), 1).to(lattice.dtype)
