"""The atoms that a cell may hold, and which element each site gets by how strongly it scatters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import gemmi
import numpy as np
from numpy.typing import NDArray

HYDROGEN = ("H", "D")
# Elements that are guessed where none is stated: those of most crystals.
COMMON = (
    *("C", "N", "O", "F", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "K", "Ca", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni"),
    *("Cu", "Zn", "Ge", "As", "Se", "Br", "Sr", "Zr", "Mo", "Ru", "Pd", "Ag", "Cd", "Sn", "I", "Cs", "Ba", "La"),
    *("W", "Pt", "Au", "Hg", "Pb", "Bi", "U"),
)
LEAST_VOLUME, MOST_VOLUME = 5.0, 60.0  # Å³ for an atom but hydrogen; stated numbers beyond are not believed
_LIGHT = ("C", "N", "O", "Na", "Si", "Cl", "Ca")  # that the weaker half of the sites may be, where nothing is stated
_UNITS = (1 / 4, 1 / 3, 1 / 2, 1, 2, 3, 4)  # by which stated numbers may be wrong as a whole
_OTHER_SIGN = 100.0  # logarithmic units: an element of the other sign is the last that is taken
_TRIALS = 6  # of the unit of strength, where no numbers are stated


@dataclass(frozen=True, eq=False)
class Composition:
    """The elements of a cell but hydrogen that is not seen, with their numbers where these are stated.

    Attributes:
        budget: atoms in the cell of each element; empty where the numbers are unknown.
        elements: symbols that are allowed.
        hydrogen: stated number of hydrogen atoms in the cell that are not seen.
        is_guess: whether nothing was stated.
        atom_volume: volume in Å³ that the stated numbers leave for each atom; None where none are stated.
    """

    budget: Mapping[str, float]
    elements: tuple[str, ...]
    hydrogen: float
    is_guess: bool
    atom_volume: float | None

    @classmethod
    def of(cls, contents: Mapping[str, float], volume: float, probe: str) -> Composition:
        """Return the composition that was stated.

        Args:
            contents: {symbol: atoms in the cell}, 0 for an element of unknown number; empty for nothing.
            volume: volume of the cell in Å³. Numbers that do not fit into it are not believed, but the elements are.
            probe: neutrons see hydrogen as they see other atoms.
        """
        unseen = () if probe == "neutron" else HYDROGEN
        hydrogen = sum(contents.get(symbol, 0.0) for symbol in unseen)
        others = {symbol: float(amount) for symbol, amount in contents.items() if symbol not in unseen}
        if not others:
            return cls({}, COMMON, hydrogen, True, None)
        if not min(others.values()) > 0:
            return cls({}, tuple(others), hydrogen, False, None)
        atom_volume = volume / sum(others.values())
        believed = LEAST_VOLUME <= atom_volume <= MOST_VOLUME
        return cls(others if believed else {}, tuple(others), hydrogen, False, atom_volume)

    def without_numbers(self) -> Composition:
        """Return the same elements, in numbers that are unknown."""
        return replace(self, budget={})

    def atoms(self) -> float:
        """Return the number of atoms in the cell but hydrogen; 0 where it is unknown."""
        return sum(self.budget.values())

    def share_of(self, contents: Mapping[str, float]) -> float:
        """Return the share of atoms that a model and the stated numbers have in common, 1 where none are stated.

        The stated numbers may be those of another number of formula units.
        """
        if not self.budget:
            return 1.0
        found = sum(contents.values())
        shares = []
        for units in _UNITS:
            common = sum(min(units * amount, contents.get(symbol, 0.0)) for symbol, amount in self.budget.items())
            shares.append(common / max(units * self.atoms(), found))
        return max(shares)

    def assigned(
        self, strengths: NDArray[np.float64], multiplicity: NDArray[np.int64], weights: Mapping[str, float]
    ) -> list[list[str | None]]:
        """Return one or more ways to give sites their elements, the likeliest first; None for a site too many.

        With numbers, the strongest sites get the heaviest elements until these are used up. Without, the unit of the
        strengths is unknown: those units are tried with which the sites come nearest to allowed elements.

        Args:
            strengths: (A,) height or scattering power of sites, in any unit; below zero where nuclei are.
            multiplicity: (A,) images of each in the cell.
            weights: how strongly each element scatters.
        """
        if self.budget:
            return [self._within_budget(strengths, multiplicity, weights)]
        names = sorted(self.elements, key=lambda symbol: weights[symbol])
        scale = np.log([max(abs(weights[symbol]), 1e-3) for symbol in names])
        sizes = np.abs(strengths)
        own = np.log(np.maximum(sizes, 1e-6 * sizes.max(initial=1e-300)))
        signs = np.sign([weights[symbol] for symbol in names])
        other_sign = np.where(np.sign(strengths)[:, None] == signs, 0.0, _OTHER_SIGN)
        trials = []
        for shift in self._shifts(own, scale, weights):
            nearest = (np.abs(own[:, None] + shift - scale) + other_sign).argmin(1)
            misfit = float((multiplicity * np.square(own + shift - scale[nearest])).sum())
            trials.append((misfit, [names[place] for place in nearest]))
        trials.sort(key=lambda trial: trial[0])
        unique = [list(way) for way, _ in itertools.groupby([way for _, way in trials])]
        return [list[str | None](way) for way in (unique if self.is_guess else unique[:_TRIALS])]

    def _shifts(
        self, own: NDArray[np.float64], scale: NDArray[np.float64], weights: Mapping[str, float]
    ) -> list[float]:
        """Return logarithms of units of strength that are tried."""
        if self.is_guess:
            light = float(np.median(own[own <= np.median(own)]))
            return [math.log(abs(weights[symbol])) - light for symbol in _LIGHT]
        ends = (own.max(), own.min(), np.median(own))
        return [float(target - end) for target in scale for end in ends]

    def _within_budget(
        self, strengths: NDArray[np.float64], multiplicity: NDArray[np.int64], weights: Mapping[str, float]
    ) -> list[str | None]:
        order = np.argsort(-np.abs(strengths), kind="stable").tolist()
        sites = [(int(count), bool(strength > 0)) for count, strength in zip(multiplicity, strengths, strict=True)]
        result, left = self._filled(order, sites, weights)
        # A site too many can take the room of others: of the sites that got an element, one may have to go.
        for place in reversed(order):
            if left < 0.5:
                break
            if result[place] is not None:
                others = [other for other in order if other != place]
                trial, trial_left = self._filled(others, sites, weights)
                if trial_left < left:
                    result, left = trial, trial_left
        return result

    def _filled(
        self, order: Sequence[int], sites: Sequence[tuple[int, bool]], weights: Mapping[str, float]
    ) -> tuple[list[str | None], float]:
        """Return the elements of all sites, and how many atoms are left when those in order have got theirs.

        Args:
            order: places of sites.
            sites: multiplicity of each, and whether it scatters with a positive sign.
            weights: scattering powers, as in `assigned`.
        """
        left = dict(self.budget)
        heaviest_first = sorted(left, key=lambda symbol: -abs(weights[symbol]))
        result: list[str | None] = [None] * len(sites)
        for place in order:
            needed, is_positive = sites[place]
            for symbol in heaviest_first:
                if left[symbol] >= needed - 0.5 and (weights[symbol] > 0) == is_positive:
                    left[symbol] -= needed
                    result[place] = symbol
                    break
        return result, sum(left.values())


def formula_of(contents: Mapping[str, float]) -> tuple[str, int]:
    """Return the formula of a formula unit in Hill's order, and the number of units in the cell.

    Args:
        contents: atoms in the cell of each element.
    """
    counts = {symbol: round(amount, 2) for symbol, amount in contents.items() if amount > 0.005}
    whole = [round(amount) for amount in counts.values()]
    is_whole = all(abs(amount - value) < 0.02 for amount, value in zip(counts.values(), whole, strict=True))
    units = math.gcd(*whole) if is_whole and whole else 1
    return " ".join(f"{symbol}{_written(counts[symbol] / units)}" for symbol in _hill(counts)), max(units, 1)


def _written(amount: float) -> str:
    return "" if abs(amount - 1) < 1e-6 else f"{amount:.6g}"


def _hill(symbols: Sequence[str] | Mapping[str, float]) -> list[str]:
    """Return symbols with carbon first, hydrogen next, others by the alphabet; all by the alphabet without carbon."""
    first = ("C", "H", "D") if "C" in symbols else ()
    return sorted(symbols, key=lambda symbol: (first.index(symbol) if symbol in first else len(first), symbol))


def number_of(element: str) -> int:
    """Return the atomic number of a symbol."""
    return int(gemmi.Element(element).atomic_number)
