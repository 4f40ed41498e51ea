"""Fo − Fc maps of refined models."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phaselearn.structure.calculated import Calculator
from phaselearn.structure.least_squares import Refined
from phaselearn.structure.phased import synthesis
from phaselearn.structure.reflections import Reflections
from phaselearn.structure.space_group import SpaceGroup

_SPACING = 0.3  # Å, of voxels
# An atom that is missing shows at half its height where phases are free, since those of the rest are taken.
_ACENTRIC = 2.0


@dataclass(frozen=True, eq=False)
class DifferenceMap:
    """A map with coefficients (|Fo| − |Fc|) exp(iφc).

    Attributes:
        density: (n₁, n₂, n₃) in electrons/Å³ (electrons: 1/Å², neutrons: fm/Å³).
        volume: volume of the cell in Å³.
    """

    density: NDArray[np.float64]
    volume: float

    @classmethod
    def of(cls, refined: Refined, calculator: Calculator, lattice: NDArray[np.float64]) -> DifferenceMap:
        """Return the difference map of a model."""
        observed = np.sqrt(np.maximum(calculator.reflections.intensity, 0) / refined.scale)
        magnitude = np.abs(refined.calculated)
        unit = refined.calculated / np.where(magnitude > 0, magnitude, 1.0)
        hkl, values = whole_sphere(calculator.reflections, (observed - magnitude) * unit, calculator.group)
        volume = abs(float(np.linalg.det(lattice)))
        spacing = (_SPACING / np.linalg.norm(lattice, axis=1)).tolist()
        return cls(synthesis(hkl, values, spacing) / volume, volume)

    def power(self, height: float, calculator: Calculator) -> float:
        """Return the scattering power, in the unit of `Calculator.peak_weight`, that a peak of a height stands for."""
        factor = 1.0 if calculator.group.is_centrosymmetric else _ACENTRIC
        return factor * height * self.volume / float(calculator.reflections.repeats.sum())


def whole_sphere(
    reflections: Reflections, values: NDArray[np.complex128], group: SpaceGroup
) -> tuple[NDArray[np.int64], NDArray[np.complex128]]:
    """Return all equivalents (N, 3) of unique reflections, Friedel mates included, and their structure factors (N,)."""
    rotations, translations = group.rotations[group.primitive], group.translations[group.primitive]
    # F(hR) = F(h) exp(−2πi h·t)
    turned = np.einsum("mi,gij->gmj", reflections.hkl, rotations).reshape(-1, 3)
    moved = (values * np.exp(-2j * math.pi * (translations @ reflections.hkl.T))).ravel()
    hkl, phased = np.concatenate((turned, -turned)), np.concatenate((moved, moved.conj()))
    _, first = np.unique(hkl, axis=0, return_index=True)
    return hkl[first], phased[first]
