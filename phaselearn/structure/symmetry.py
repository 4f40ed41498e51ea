"""The operations that phased structure factors have, wherever the origin is.

If x → R x + t leaves a crystal as it is, F(h) = F(hR) exp(2πi h·t). So the products F*(h) F(hR), Fourier transformed
over h, have a peak at t (Palatinus & van der Lee, J. Appl. Cryst. 41 (2008) 975). The agreement is the mean cosine
of the phase differences, weighted with |F|: 1 for an operation of the crystal, about 0 for a wrong one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len

from phaselearn.crystal.peaks import find_peaks
from phaselearn.structure.geometry import inverse_d_squared
from phaselearn.structure.phased import PhasedFactors

_RESOLUTION = 1.0  # Å: finer reflections say the same with larger phase errors
_FEWEST = 300  # reflections, mates included, that are kept however fine they are
_PEAKS = 8  # translations of a rotation that are looked at
_SEPARATION = 0.5  # Å, of two translations
_OVERSAMPLING = 1.5
_STEPS = 10  # of Newton's method, at most


@dataclass(frozen=True, eq=False)
class Agreement:
    """The agreement of each rotation of a point group, as a function of the translation.

    Attributes:
        rotations: (R, 3, 3) whole numbers; the identity is the first.
        lattice: (3, 3), rows in Å.
        hkl: (H, 3), one of each Friedel pair.
        products: (R, H) complex; the sum of the absolute values is 1 for each rotation.
    """

    rotations: NDArray[np.int64]
    lattice: NDArray[np.float64]
    hkl: NDArray[np.int64]
    products: NDArray[np.complex128]

    @classmethod
    def of(cls, phased: PhasedFactors, rotations: NDArray[np.int64], lattice: NDArray[np.float64]) -> Agreement:
        """Compare the factors with themselves, turned by each rotation."""
        square = inverse_d_squared(phased.hkl, lattice)
        limit = max(_RESOLUTION**-2, float(np.sort(square)[:_FEWEST][-1]))
        kept = phased.selected(square <= limit)
        h, k, l = kept.hkl.T  # noqa: E741
        half = (h > 0) | ((h == 0) & ((k > 0) | ((k == 0) & (l > 0))))
        hkl, own = kept.hkl[half], kept.values[half]
        return cls(rotations, lattice, hkl, np.stack([_products(own, kept.at(hkl @ turn)) for turn in rotations]))

    def at(self, rotation: int, translations: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the agreement (...) of a rotation, by its number, with translations (..., 3).

        An inversion compares F with its own conjugate, so that the error of a phase counts twice where that of other
        operations is of two independent phases. The root of the mean cosine makes them comparable.
        """
        waves = np.exp(2j * math.pi * (translations @ self.hkl.T))
        agreement: NDArray[np.float64] = (waves @ self.products[rotation]).real
        is_inversion = (self.rotations[rotation] == -np.eye(3, dtype=int)).all()
        return np.sign(agreement) * np.sqrt(np.abs(agreement)) if is_inversion else agreement

    @cached_property
    def background(self) -> float:
        """The agreement that the best of all wrong translations reaches by chance, if phases are unrelated."""
        independent = math.prod(self._shape) / _OVERSAMPLING**3
        spread = np.sqrt(np.square(np.abs(self.products)).sum(1) / 2)
        return float(np.median(spread) * math.sqrt(2 * math.log(max(independent, math.e))))

    @cached_property
    def _shape(self) -> tuple[int, int, int]:
        needed = _OVERSAMPLING * (2 * np.abs(self.hkl).max(0) + 1)
        first, second, third = (next_fast_len(math.ceil(size), real=True) for size in needed)
        return first, second, third

    @cached_property
    def peaks(self) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """For each rotation the translations (K, 3) of the highest agreement, and the agreement (K,), best first."""
        found = []
        place = tuple((self.hkl % self._shape).T)
        lattice = torch.from_numpy(self.lattice)[None]
        for number in range(len(self.rotations)):
            grid = np.zeros(self._shape, dtype=np.complex128)
            grid[place] = self.products[number]
            surface = np.fft.ifftn(grid, norm="forward").real
            peaks = find_peaks(torch.from_numpy(surface)[None], lattice, _PEAKS, _SEPARATION)
            heights = peaks.heights[0].numpy()
            translations = peaks.positions[0].numpy()[np.isfinite(heights)]
            exact = self.at(number, translations)
            order = np.argsort(-exact, kind="stable")
            found.append((translations[order], exact[order]))
        return found

    def centred(
        self, numbers: NDArray[np.intp], translations: NDArray[np.float64], origin: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the origin near a given one at which operations agree best, by Newton's method.

        Args:
            numbers: (G,) rotations.
            translations: (G, 3), exact about the origin.
            origin: (3,) where the operations are about.
        """
        shifts = np.eye(3) - self.rotations[numbers]  # about an origin o the translation is t + (1 − R) o
        rows = 2 * math.pi * np.einsum("hi,gij->ghj", self.hkl, shifts)
        for _ in range(_STEPS):
            moved = translations + shifts @ origin
            terms = np.exp(2j * math.pi * (moved @ self.hkl.T)) * self.products[numbers]
            gradient = -np.einsum("gh,ghj->j", terms.imag, rows)
            curvature = np.einsum("gh,ghi,ghj->ij", np.maximum(terms.real, 0), rows, rows, optimize=True)
            step = np.linalg.pinv(curvature, rcond=1e-8, hermitian=True) @ gradient
            origin = origin + step
            if np.linalg.norm(step @ self.lattice) < 1e-4:
                break
        return origin


def _products(own: NDArray[np.complex128], turned: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return F*(h) F(hR) divided by |F|, so that a few strong reflections do not decide alone."""
    product = np.conj(own) * turned
    magnitude = np.abs(product)
    product = product / np.sqrt(np.where(magnitude > 0, magnitude, 1))
    total = np.abs(product).sum()
    return product / total if total > 0 else product
