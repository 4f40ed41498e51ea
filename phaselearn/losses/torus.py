"""Distances in a periodic cell, which is a torus, and sums of their exponentials over all pairs of voxels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import product

import torch
from torch import Tensor

from phaselearn.crystal.lattice import metric, reciprocal
from phaselearn.crystal.layout import Indices, Shape, miller_box, shape_of

_AXES = (-3, -2, -1)
# Relative to the largest sum. Down to this size, a float64 FFT gives sums of positive terms to five digits.
_CARRIED = 1e-10
_SLICE = 8.0  # terms in one FFT range over a factor of at most e^8; its square is still above the FFT's rounding
_NEGLIGIBLE = 25.0  # terms below e^−25 of a sum may be left out


def squared_distance(lattice: Tensor, shape: Shape) -> Tensor:
    """Return the squared minimum-image distance in Å² of every voxel from the first, (B, n₁, n₂, n₃).

    The result is exact for any cell, however skew. A search of the 27 nearest cells gives a bound on the distance, from
    which it follows which further cells can hold a nearer image.

    Args:
        lattice: (B, 3, 3) in Å.
        shape: voxels n₁, n₂, n₃ along the axes.
    """
    gram = metric(lattice)
    i, j, k = (index.to(lattice) / length for index, length in zip(miller_box(shape), shape, strict=True))
    places = i, j, k
    near = set(product((-1, 0, 1), (-1, 0, 1), (-1, 0, 1)))
    best = _least(gram, places, near)
    # No nearest image lies farther away than the farthest one found, which bounds the number of cells along each axis.
    spacing = 1 / reciprocal(lattice).norm(dim=-1)
    farthest = best.amax(_AXES).sqrt()[:, None]
    cells = (farthest / spacing + 0.5 - 1e-6).floor().amax(0).long().tolist()
    along_a, along_b, along_c = (range(-count, count + 1) for count in cells)
    further = set(product(along_a, along_b, along_c)) - near
    return torch.minimum(best, _least(gram, places, further)) if further else best


def _least(gram: Tensor, places: Indices, images: Iterable[Shape]) -> Tensor:
    """Return the least x·G·x over images of the voxels at places (n₁,), (n₂,), (n₃,) along the axes."""
    best = gram.new_full((len(gram), *map(len, places)), torch.inf)
    for image in images:
        x, y, z = (along + shift for along, shift in zip(places, image, strict=True))
        square = (
            gram[:, 0, 0, None, None, None] * (x * x)[:, None, None]
            + gram[:, 1, 1, None, None, None] * (y * y)[:, None]
            + gram[:, 2, 2, None, None, None] * (z * z)
            + 2 * gram[:, 0, 1, None, None, None] * (x[:, None] * y)[:, :, None]
            + 2 * gram[:, 0, 2, None, None, None] * (x[:, None] * z)[:, None, :]
            + 2 * gram[:, 1, 2, None, None, None] * (y[:, None] * z)
        )
        best = torch.minimum(best, square)
    return best.clamp_min(0)


class TorusKernel:
    """exp(−C/ε) between all voxels, where C is the squared minimum-image distance: a convolution by two FFTs.

    Args:
        cost: C, (B, n₁, n₂, n₃) float64 in Å².
        epsilon: ε in Å².
    """

    def __init__(self, cost: Tensor, epsilon: float) -> None:
        self.epsilon = epsilon
        self._exponent = cost / epsilon
        self._spectrum = _transform(torch.exp(-self._exponent))
        self._rings: dict[int, Tensor] = {}

    def take(self, rows: Tensor) -> TorusKernel:
        """Return the kernel for some rows of the batch."""
        taken = TorusKernel.__new__(TorusKernel)
        taken.epsilon = self.epsilon
        taken._exponent = self._exponent[rows]
        taken._spectrum = self._spectrum[rows]
        taken._rings = {number: ring[rows] for number, ring in self._rings.items()}
        return taken

    def log_sum(self, values: Tensor) -> Tensor:
        """Return log Σ_y exp(u(y) − C(x − y)/ε) at every voxel x, for u (B, n₁, n₂, n₃), which may be −∞ in places.

        Where the range of the sums is too large for a float64 FFT, terms of similar size are summed slice by slice.
        """
        top = values.amax(_AXES, keepdim=True)
        values = values - top
        total = _back(_transform(values.exp()) * self._spectrum, shape_of(values))
        lost = total.amin(_AXES) < _CARRIED * total.amax(_AXES)
        result = total.clamp_min(torch.finfo(total.dtype).tiny).log()
        if lost.any():
            rows = lost.nonzero()[:, 0]
            result[rows] = self._log_sum_by_slices(values[rows], rows)
        return result + top

    def _log_sum_by_slices(self, values: Tensor, rows: Tensor) -> Tensor:
        """Sum terms in slices e^(−8(s+1)) … e^(−8s): sources in slice l combine with distances in slice s − l.

        Within a slice no term is below e^−16 of its scale, which is far above the FFT's rounding. Smaller values in the
        result are rounding errors at voxels that have no term in the slice.
        """
        level = (-values / _SLICE).floor()
        total = torch.full_like(values, -math.inf)
        sources: list[Tensor | None] = []
        farthest = self._exponent.amax().item() + 2 * _NEGLIGIBLE
        for number in range(int(farthest / _SLICE) + 2):
            at_level = torch.where(level == number, (values + number * _SLICE).exp(), 0.0)
            sources.append(_transform(at_level) if at_level.any() else None)
            terms = [
                spectrum * self._ring(number - own)[rows]
                for own, spectrum in enumerate(sources)
                if spectrum is not None
            ]
            if terms:
                part = _back(sum(terms[1:], start=terms[0]), shape_of(values))
                part = torch.where(part > 0.5 * math.exp(-2 * _SLICE), part, 0.0).log() - number * _SLICE
                total = torch.logaddexp(total, part)
            if total.amin() > _NEGLIGIBLE - (number + 1) * _SLICE:
                break
        return total

    def _ring(self, number: int) -> Tensor:
        if number not in self._rings:
            scaled = number * _SLICE - self._exponent
            inside = (scaled <= 0) & (scaled > -_SLICE)
            self._rings[number] = _transform(torch.where(inside, scaled.exp(), 0.0))
        return self._rings[number]


def _transform(maps: Tensor) -> Tensor:
    return torch.fft.rfftn(maps, dim=_AXES)


def _back(spectrum: Tensor, shape: Shape) -> Tensor:
    return torch.fft.irfftn(spectrum, s=shape, dim=_AXES)
