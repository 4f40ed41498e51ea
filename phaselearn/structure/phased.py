"""Phased structure factors of P1 as a list that can be looked up, moved to another origin and averaged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len

from phaselearn.structure.space_group import SpaceGroup


@dataclass(frozen=True, eq=False)
class PhasedFactors:
    """Structure factors F(h) = Σ f exp(2πi h·x), each with its Friedel mate.

    Attributes:
        hkl: (M, 3) int64; F(000) is left out.
        values: (M,) complex.
        size: n₁, n₂, n₃ of an FFT box that holds all of them.
    """

    hkl: NDArray[np.int64]
    values: NDArray[np.complex128]
    size: tuple[int, int, int]

    @classmethod
    def of_box(cls, box: torch.Tensor) -> Self:
        """Return the factors of an FFT box (n₁, n₂, n₃), those that are zero or on a Nyquist plane left out."""
        values = box.detach().to("cpu", torch.complex128).numpy()
        first, second, third = values.shape
        indices = np.stack(np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in values.shape), indexing="ij"), -1)
        hkl, flat = np.rint(indices).astype(np.int64).reshape(-1, 3), values.ravel()
        limits = np.array(values.shape)
        kept = np.flatnonzero((2 * np.abs(hkl) < limits).all(1) & hkl.any(1) & (flat != 0) & np.isfinite(flat))
        return cls(hkl[kept], flat[kept], (first, second, third))

    def at(self, hkl: NDArray[np.int64]) -> NDArray[np.complex128]:
        """Return F (...) of reflections (..., 3); 0 for those that are not held."""
        table = np.zeros(self.size, dtype=np.complex128)
        table[tuple(self.hkl.T)] = self.values
        inside = np.asarray(np.all(2 * np.abs(hkl) < np.array(self.size), axis=-1))
        h, k, l = np.moveaxis(np.where(inside[..., None], hkl, 0), -1, 0)  # noqa: E741
        found: NDArray[np.complex128] = np.where(inside, table[h, k, l], 0)
        return found

    def selected(self, rows: NDArray[np.bool_]) -> Self:
        """Return some of the reflections; the choice must keep Friedel mates together."""
        return replace(self, hkl=self.hkl[rows], values=self.values[rows])

    def moved(self, origin: NDArray[np.float64]) -> Self:
        """Return the factors about a new origin, given in the old coordinates: x becomes x − origin."""
        return replace(self, values=self.values * np.exp(-2j * math.pi * (self.hkl @ origin)))

    def averaged(self, group: SpaceGroup) -> Self:
        """Return the factors averaged over a group: a map of which every operation holds."""
        total = np.zeros_like(self.values)
        for place in group.primitive:
            turned = self.at(self.hkl @ group.rotations[place])
            total += turned * np.exp(2j * math.pi * (self.hkl @ group.translations[place]))
        # Reflections that a centring forbids are not part of the map.
        waves = np.exp(2j * math.pi * (self.hkl @ group.centrings.T)).mean(1).real
        return replace(self, values=total / len(group.primitive) * np.round(waves))

    def density(self, volume: float, spacing: Sequence[float]) -> NDArray[np.float64]:
        """Return the map (n₁, n₂, n₃) of these factors alone.

        Args:
            volume: volume of the cell in Å³.
            spacing: largest distance of voxels along each axis, as a share of the axis.
        """
        return synthesis(self.hkl, self.values, spacing) / volume


def synthesis(hkl: NDArray[np.int64], values: NDArray[np.complex128], spacing: Sequence[float]) -> NDArray[np.float64]:
    """Return Re Σ F(h) exp(−2πi h·x) on a grid.

    Args:
        hkl: (M, 3), no reflection twice, each with its Friedel mate.
        values: (M,) F.
        spacing: largest distance of voxels along each axis, as a share of the axis.
    """
    needed = 2 * np.abs(hkl).max(0, initial=1) + 1
    shape = [
        next_fast_len(max(int(least), math.ceil(1 / step)), real=True)
        for least, step in zip(needed, spacing, strict=True)
    ]
    grid = np.zeros(shape, dtype=np.complex128)
    grid[tuple((hkl % shape).T)] = values
    result: NDArray[np.float64] = np.fft.fftn(grid).real
    return result
