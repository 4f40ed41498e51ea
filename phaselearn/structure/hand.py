"""The hand of a structure from the differences of Friedel mates, where f″ makes them large enough.

The difference of the mates of a crystal that holds a share x of the inverted structure is (1 − 2x) times that of the
model (Flack, Acta Cryst. A39 (1983) 876). x is fitted to all measured differences by weighted least squares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.merging import merge
from phaselearn.measured.reflection_data import ReflectionData
from phaselearn.structure.calculated import Calculator
from phaselearn.structure.geometry import inverse_d_squared
from phaselearn.structure.least_squares import Refined
from phaselearn.structure.model import Model
from phaselearn.structure.reflections import Reflections, is_forbidden
from phaselearn.structure.settings import in_setting
from phaselearn.structure.space_group import SpaceGroup

_FEWEST = 20  # pairs
_TELLING = 0.1  # standard error of x up to which the hand is told
_WORTH_A_NUMBER = 0.3  # and up to which x is


@dataclass(frozen=True)
class Hand:
    """The share x of the inverted structure, and its standard error."""

    flack: float
    error: float

    @property
    def is_told(self) -> bool:
        """Whether the data tell the hand."""
        return self.error <= _TELLING and abs(self.flack - 0.5) > 3 * self.error

    @property
    def is_wrong(self) -> bool:
        """Whether the data tell that the structure has the other hand."""
        return self.is_told and self.flack > 0.5

    @property
    def of_the_other(self) -> Hand:
        """The hand of the mirror image."""
        return Hand(1 - self.flack, self.error)

    @property
    def note(self) -> str:
        """One line for the reader."""
        if self.is_told:
            return f"determined by anomalous scattering, x = {self.flack:.2f} ± {self.error:.2f}"
        if abs(self.flack - 0.5) <= 3 * self.error and self.error <= _TELLING:
            return f"perhaps an inversion twin, x = {self.flack:.2f} ± {self.error:.2f}"
        return f"not determined, x = {self.flack:.2f} ± {self.error:.2f}"


def hand_of(
    refined: Refined, calculator: Calculator, data: ReflectionData, lattice: NDArray[np.float64]
) -> Hand | None:
    """Return the hand of a structure; None where the anomalous signal says nothing about it.

    Args:
        refined: the structure, of a group without inversion.
        calculator: its calculator.
        data: reflections as listed, mates apart.
        lattice: (3, 3), rows in Å.
    """
    group = calculator.group
    if group.is_centrosymmetric or calculator.probe != "xray" or not calculator.wavelength:
        return None
    rotations = np.unique(group.rotations, axis=0)
    merged = merge(data, rotations)
    hkl, intensity, sigma = merged.hkl.astype(np.int64), merged.intensity, merged.sigma
    # The mates of reflections are looked up among all equivalents.
    place = {tuple(row): number for number, row in enumerate(hkl.tolist())}
    mate = np.full(len(hkl), -1)
    for rotation in rotations:
        found = [place.get(tuple(row), -1) for row in (-hkl @ rotation).tolist()]
        mate = np.maximum(mate, found)
    own = np.flatnonzero((mate > np.arange(len(hkl))) & ~is_forbidden(hkl, group))
    if len(own) < _FEWEST:
        return None
    other = mate[own]
    measured = intensity[own] - intensity[other]
    variance = np.square(sigma[own]) + np.square(sigma[other])
    square = inverse_d_squared(hkl[own], lattice)
    ones = np.ones(len(own))
    pairs = Reflections(hkl[own], ones, ones, square, np.ones(len(own), dtype=np.int64), len(own))
    calculated = refined.scale * Calculator(pairs, group, calculator.probe, calculator.wavelength).difference(
        refined.model
    )
    weight = 1 / np.maximum(variance, 1e-300)
    signal = float((weight * np.square(calculated)).sum())
    if signal <= 0:
        return None
    slope = float((weight * measured * calculated).sum()) / signal
    scatter = float((weight * np.square(measured - slope * calculated)).sum()) / max(len(own) - 1, 1)
    error = math.sqrt(max(scatter, 1.0) / signal) / 2
    return Hand((1 - slope) / 2, error) if error <= _WORTH_A_NUMBER else None


def inverted(
    model: Model, group: SpaceGroup, lattice: NDArray[np.float64]
) -> tuple[Model, SpaceGroup, NDArray[np.float64]]:
    """Return the mirror image of a structure: atoms, group, and the point that x is inverted at, x' = 2c − x."""
    own = group.primitive
    found = in_setting(group.rotations[own], -group.translations[own] % 1.0, group.centrings, lattice)
    if found is None:
        return model, group, np.zeros(3)
    setting, shift = found
    positions = (-model.positions - shift) % 1.0
    return replace(model, positions=positions), setting, -shift / 2
