"""The sphere of reflections that a crystal has down to a resolution: their list, and the box that holds them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from phaselearn.crystal.layout import Shape, friedel_mate
from phaselearn.crystal.observed import box_for

_ROUNDING = 1e-6  # relative, of 1/d²: a reflection on the surface of the sphere is inside
MOST_POINTS = 1 << 24  # of a box


@dataclass(frozen=True)
class Sphere:
    """The reflections with d ≥ a resolution: F(000), and one of each pair of Friedel mates.

    They are listed as they follow one another in the half of the FFT box with l ≥ 0: l changes fastest, then k, then h,
    each from 0 up and then from its least value up. In the plane l = 0 only k > 0 is listed, and on its axis k = 0
    only h ≥ 0. The list depends on the bits of the lattice and the resolution alone, not on the machine: it follows
    from single multiplications, divisions and additions, each of which IEEE 754 rounds in one way.

    Attributes:
        shape: n₁, n₂, n₃ of the box.
        places: (m,) int64, the place of each reflection in the flattened box.
    """

    shape: Shape
    places: Tensor

    @classmethod
    def of(cls, lattice: np.ndarray, resolution: float) -> Sphere:
        """Return the sphere of a crystal.

        Args:
            lattice: (3, 3) float64 in Å.
            resolution: d_min in Å.
        """
        shape = sphere_box(lattice, resolution)
        h, k = (np.fft.fftfreq(size, 1 / size).round() for size in shape[:2])
        l = np.arange(shape[2] // 2, dtype=np.float64)  # noqa: E741
        star = _reciprocal_metric(lattice)
        in_hk = (star[0, 0] * (h * h))[:, None] + (star[1, 1] * (k * k)) + (2 * star[0, 1]) * (h[:, None] * k)
        in_kl = (star[2, 2] * (l * l)) + (2 * star[1, 2]) * (k[:, None] * l)
        square = (in_hk[:, :, None] + in_kl) + ((2 * star[0, 2]) * (h[:, None] * l))[:, None, :]
        inside = square <= (1 + _ROUNDING) / resolution**2
        # Nyquist planes hold no reflection; the mates of the others in the plane l = 0 are in this half, too.
        inside[shape[0] // 2], inside[:, shape[1] // 2] = False, False
        inside[:, k < 0, 0] = False
        inside[h < 0, 0, 0] = False
        i, j, m = np.nonzero(inside)
        return cls(shape, torch.from_numpy((i * shape[1] + j) * shape[2] + m))

    def __len__(self) -> int:
        return len(self.places)

    @property
    def mask(self) -> Tensor:
        """Bool (n₁, n₂, n₃): the reflections and their Friedel mates."""
        return self.on_box(torch.ones(len(self), dtype=torch.bool))

    def on_box(self, values: Tensor) -> Tensor:
        """Place values (m,), real, complex or bool, on the box (n₁, n₂, n₃); mates get the conjugate, the rest is 0."""
        box = values.new_zeros(math.prod(self.shape)).index_copy(0, self.places, values).view(self.shape)
        mates = friedel_mate(box).conj() if values.is_complex() else friedel_mate(box)
        # F(000) is its own mate.
        mates[0, 0, 0] = 0
        return box + mates

    def of_half_box(self, values: Tensor) -> Tensor:
        """Read half boxes (..., n₁, n₂, n₃/2) with l = 0 … n₃/2 − 1 at the listed reflections, (..., m)."""
        row = torch.div(self.places, self.shape[2], rounding_mode="floor")
        place = row * (self.shape[2] // 2) + self.places % self.shape[2]
        return values.flatten(-3)[..., place]


def sphere_box(lattice: np.ndarray, resolution: float) -> Shape:
    """Return the smallest FFT box of even sizes for the reflections with d ≥ a resolution of some crystals.

    Args:
        lattice: (..., 3, 3) in Å; the box holds the reflections of each.
        resolution: d_min in Å.
    """
    # The largest index along an axis is the length of the cell's edge over d_min.
    edges = np.linalg.norm(lattice, axis=-1).reshape(-1, 3).max(0)
    return box_for([math.floor(edge / resolution * (1 + _ROUNDING)) for edge in edges])


def _reciprocal_metric(lattice: np.ndarray) -> np.ndarray:
    """Return the metric (3, 3) of the reciprocal lattice in Å⁻²."""
    a, b, c = lattice
    across = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)])
    star = across / (a * across[0]).sum()
    return np.array([[(first * second).sum() for second in star] for first in star])
