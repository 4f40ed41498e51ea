"""Systematic absences: reflections that a centring, a screw axis or a glide plane forbids, against those it allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.centring import CENTRINGS, Condition, allowed_by
from phaselearn.measured.merging import Indices, Merged, Values
from phaselearn.measured.reflection_data import ReflectionData

_INTEGRAL = 0.01  # largest distance of h·t from a whole number
_FEWEST = 6  # forbidden reflections that say something
_SIGNIFICANT = 3.0  # I/σ
_MOST_SIGNIFICANT = 0.1  # share of the forbidden reflections: noise, λ/2 and Renninger's effect
_MOST_INTENSITY = 0.03  # of the mean intensity of those allowed
_NEXT_TO_NOTHING = 0.002  # of the mean intensity of those allowed, whatever σ says: so much is λ/2 or rounding
_WEAKEST = 0.2  # of the mean I/σ of those allowed
_UNLISTED = 1e-4  # probability that forbidden reflections are missing by accident


@dataclass(frozen=True)
class Absences:
    """The reflections that a condition forbids, and those it allows.

    Attributes:
        forbidden, allowed: their numbers.
        forbidden_i_over_sigma, allowed_i_over_sigma: means of I/σ; NaN where there are none.
        forbidden_intensity, allowed_intensity: means of I.
        significant: number of the forbidden with I > 3σ.
    """

    forbidden: int
    allowed: int
    forbidden_i_over_sigma: float
    allowed_i_over_sigma: float
    forbidden_intensity: float
    allowed_intensity: float
    significant: int

    @classmethod
    def of(cls, intensity: Values, sigma: Values, forbidden: NDArray[np.bool_], allowed: NDArray[np.bool_]) -> Absences:
        """Count intensities (M,) by two masks (M,)."""
        ratio = intensity / sigma
        return cls(
            forbidden=int(forbidden.sum()),
            allowed=int(allowed.sum()),
            forbidden_i_over_sigma=_mean(ratio[forbidden]),
            allowed_i_over_sigma=_mean(ratio[allowed]),
            forbidden_intensity=_mean(intensity[forbidden]),
            allowed_intensity=_mean(intensity[allowed]),
            significant=int((ratio[forbidden] > _SIGNIFICANT).sum()),
        )

    @property
    def obeyed(self) -> bool | None:
        """Whether the forbidden reflections are absent; None where too few of them were measured."""
        if self.forbidden < _FEWEST or not self.allowed:
            return None
        if self.forbidden_intensity <= _NEXT_TO_NOTHING * self.allowed_intensity:
            return True
        return (
            self.significant <= max(1, _MOST_SIGNIFICANT * self.forbidden)
            and self.forbidden_intensity <= _MOST_INTENSITY * self.allowed_intensity
            and self.forbidden_i_over_sigma <= max(1.0, _WEAKEST * self.allowed_i_over_sigma)
        )


@dataclass(frozen=True)
class CentringChoice:
    """The centring that the data show.

    Attributes:
        symbol: letter of the lattice: P, A, B, C, I, F, or R in its obverse or reverse hexagonal setting.
        table: {symbol: absences} of all centrings but P.
        listed: the forbidden reflections are in the list, as nothing. If not, they were never listed.
    """

    symbol: str
    table: Mapping[str, Absences]
    listed: bool

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions of the centring."""
        return CENTRINGS[self.symbol]


def choose_centring(data: ReflectionData | Merged) -> CentringChoice:
    """Return the centring of most conditions whose forbidden reflections are absent, or are not listed at all."""
    hkl, intensity, sigma = data.hkl, data.intensity, data.sigma
    table = {}
    found, listed = "P", True
    for symbol, conditions in CENTRINGS.items():
        if not conditions:
            continue
        allowed = allowed_by(conditions, hkl)
        table[symbol] = Absences.of(intensity, sigma, ~allowed, allowed)
        share = 1 / np.prod([condition.multiple for condition in conditions[:2]])
        unlisted = bool(allowed.all()) and share ** len(hkl) < _UNLISTED
        if table[symbol].obeyed or unlisted:
            found, listed = symbol, not unlisted
    return CentringChoice(found, table, listed)


def absence_table(
    data: ReflectionData | Merged, operations: Iterable[tuple[NDArray[np.integer], NDArray[np.floating]]]
) -> list[Absences]:
    """Return the absences of each symmetry operation x' = R x + t.

    A reflection that R leaves where it is, h R = h, is forbidden where h·t is not a whole number, and allowed
    otherwise; those that R moves are neither.

    Args:
        data: reflections, merged or not.
        operations: rotations R (3, 3) in fractional coordinates and translations t (3,). A centring has R = 1.
    """
    return [_absences(data.hkl, data.intensity, data.sigma, rotation, shift) for rotation, shift in operations]


def _absences(
    hkl: Indices, intensity: Values, sigma: Values, rotation: NDArray[np.integer], shift: NDArray[np.floating]
) -> Absences:
    fixed = (hkl @ np.asarray(rotation, dtype=np.int64) == hkl).all(1)
    phase = hkl @ np.asarray(shift, dtype=np.float64)
    whole = np.abs(phase - np.round(phase)) <= _INTEGRAL
    return Absences.of(intensity, sigma, fixed & ~whole, fixed & whole)


def _mean(values: Values) -> float:
    return float(values.mean()) if len(values) else float("nan")
