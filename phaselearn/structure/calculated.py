"""Structure factors of a model and their derivatives, over reflections and atoms at once.

F(h) = Σ_j o_j (m_j/|G|) C f_j(s) exp(−2π²U_j s²) Σ_(R,t) exp(2πi h·(R x_j + t)), s = 1/d, with a sum over the
operations of the group G but its C centring vectors, and m_j the multiplicity of the site in the cell.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phaselearn.structure.model import Model
from phaselearn.structure.reflections import Reflections
from phaselearn.structure.scattering_factors import dispersion, scattering_factors
from phaselearn.structure.space_group import SpaceGroup

_VALUES_AT_ONCE = 1 << 19  # of a table of reflections and atoms; it bounds the memory


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Structure factors of some reflections, and their derivatives.

    Attributes:
        rows: the reflections.
        values: (m,) complex F.
        by_position: (m, A, 3) complex ∂F/∂x of fractional coordinates.
        by_atom: (m, A) complex, the part of each atom with its occupancy; ∂F/∂U is −2π²s² times this.
    """

    rows: slice
    values: NDArray[np.complex128]
    by_position: NDArray[np.complex128]
    by_atom: NDArray[np.complex128]


class Calculator:
    """The structure factors of models at the reflections of one list."""

    def __init__(self, reflections: Reflections, group: SpaceGroup, probe: str, wavelength: float | None) -> None:
        """Prepare what does not depend on the model.

        Args:
            reflections: the list.
            group: space group of the models.
            probe: `xray`, `electron` or `neutron`.
            wavelength: wavelength in Å, for f′ and f″; None for neither.
        """
        self.reflections, self.group, self.probe, self.wavelength = reflections, group, probe, wavelength
        self._known: dict[str, NDArray[np.float64]] = {}
        rotations = group.rotations[group.primitive]
        translations = group.translations[group.primitive]
        self._is_real = group.has_inversion_at_origin
        if self._is_real:  # of two operations related by the inversion one is enough
            proper = np.linalg.det(rotations) > 0
            rotations, translations = rotations[proper], translations[proper]
        self._turned = np.einsum("mi,gij->gmj", reflections.hkl, rotations)
        self._shifts = np.exp(2j * math.pi * (translations @ reflections.hkl.T))

    def __call__(self, model: Model) -> NDArray[np.complex128]:
        """Return F (M,) of a model."""
        parts = [(self._waves(model, rows)[0] * self._weights(model, rows)).sum(1) for rows in self._parts(model)]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.complex128)

    def difference(self, model: Model) -> NDArray[np.float64]:
        """Return |F(h)|² − |F(−h)|² (M,) that f″ makes, in a group without inversion.

        With F(±h) = A + iB of the real and the imaginary parts of the factors, at −h both A and B are conjugate.
        """
        difference: NDArray[np.float64] = 4 * (self(model).conj() * 1j * self._imaginary(model)).real
        return difference

    def square_of_imaginary(self, model: Model) -> NDArray[np.float64]:
        """Return |B|² (M,), which f″ adds to |A|² in the mean of |F(h)|² and |F(−h)|²; see `difference`."""
        square: NDArray[np.float64] = np.abs(self._imaginary(model)) ** 2
        return square

    def _imaginary(self, model: Model) -> NDArray[np.complex128]:
        """Return B (M,), the sum with f″ in the place of the real factors."""
        imaginary = np.array([dispersion(element, self.probe, self.wavelength)[1] for element in model.elements])
        if not imaginary.any():
            return np.zeros(len(self.reflections), dtype=np.complex128)
        parts = [
            (self._waves(model, rows)[0] * self._fall(model, rows) * imaginary).sum(1) for rows in self._parts(model)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.complex128)

    def derivatives(self, model: Model) -> Iterator[Derivatives]:
        """Yield F and its derivatives, some reflections at a time."""
        for rows in self._parts(model):
            weights = self._weights(model, rows)
            waves, slopes = self._waves(model, rows, with_slopes=True)
            by_atom = waves * weights
            yield Derivatives(rows, by_atom.sum(1), slopes * weights[..., None], by_atom)

    def peak_weight(self, element: str, u_iso: float) -> float:
        """Return how high an atom peaks in a map of all these reflections, times the volume of the cell, a reflection.

        Args:
            element: symbol.
            u_iso: its displacement in Å².
        """
        fall = np.exp(-2 * math.pi**2 * u_iso * self.reflections.inverse_d_squared)
        return float(np.average(self._factors(element) * fall, weights=self.reflections.repeats))

    def _parts(self, model: Model) -> Iterator[slice]:
        step = max(16, _VALUES_AT_ONCE // max(1, len(model)))
        for first in range(0, len(self.reflections), step):
            yield slice(first, first + step)

    def _weights(self, model: Model, rows: slice) -> NDArray[np.float64]:
        """Return (m, A) what each atom scatters, over the number of operations that leave it where it is."""
        factors = np.stack([self._factors(element)[rows] for element in model.elements], 1)
        weights: NDArray[np.float64] = factors * self._fall(model, rows)
        return weights

    def _fall(self, model: Model, rows: slice) -> NDArray[np.float64]:
        """Return (m, A) what displacement, occupancy and the symmetry of its site leave of each atom's factor."""
        share = model.occupancy * model.multiplicity * len(self.group.centrings) / self.group.order
        square = self.reflections.inverse_d_squared[rows]
        fall: NDArray[np.float64] = np.exp(-2 * math.pi**2 * square[:, None] * model.u_iso) * share
        return fall

    def _factors(self, element: str) -> NDArray[np.float64]:
        if element not in self._known:
            real, _ = dispersion(element, self.probe, self.wavelength)
            square = self.reflections.inverse_d_squared
            self._known[element] = scattering_factors(element, square, self.probe) + real
        return self._known[element]

    def _waves(
        self, model: Model, rows: slice, with_slopes: bool = False
    ) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """Return Σ exp(2πi h·(R x + t)) (m, A), and its derivatives (m, A, 3) with respect to x."""
        turned = self._turned[:, rows]
        largest = np.abs(turned).max((0, 1), initial=0)
        # exp(2πi h x) of each index along each axis: a wave is the product of three of them.
        tables = [
            np.exp(2j * math.pi * np.outer(np.arange(-most, most + 1), model.positions[:, axis]))
            for axis, most in enumerate(largest)
        ]
        total = np.zeros((turned.shape[1], len(model)), dtype=np.complex128)
        slopes = np.zeros((*total.shape, 3) if with_slopes else (0, 0, 3), dtype=np.complex128)
        for indices, shift in zip(turned, self._shifts[:, rows], strict=True):
            h, k, l = (indices + largest).T  # noqa: E741
            wave = tables[0][h] * tables[1][k]
            wave *= tables[2][l]
            wave *= shift[:, None]
            total += wave
            if with_slopes:
                for axis in range(3):
                    slopes[..., axis] += wave * indices[:, axis, None]
        slopes *= 2j * math.pi
        if self._is_real:
            return 2 * total.real.astype(np.complex128), 2 * slopes.real.astype(np.complex128)
        return total, slopes
