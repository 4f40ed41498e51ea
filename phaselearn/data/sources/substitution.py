"""Substitution of elements by similar ones, and the lengths of the bonds between them."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import gemmi
import numpy as np
from pymatgen.core import Composition, Element

BOND_RADII_FILE = Path(__file__).with_name("shipped") / "bond_radii.csv"
HEAVIEST = 94
HARDLY_ANY_COMPOUND = frozenset({"Po", "At", "Fr", "Ra", "Ac", "Pa"})
# Oxidation states are meaningful in compounds with one of these.
_ANIONS = frozenset({"N", "O", "F", "S", "Cl", "Se", "Br", "I"})


def replacements(amounts: Mapping[str, int]) -> tuple[tuple[str, ...], ...]:
    """Return for each element of a compound the elements that may replace it, itself included.

    They belong to its group (in the d block also to the neighbouring groups), or to its series in the case of
    lanthanides and actinides. In a compound with anions, a cation is replaced only by elements that can have its
    charge.

    Args:
        amounts: number of atoms of each element in the reduced formula.
    """
    charges = _charges(amounts)
    return tuple(
        tuple(
            other
            for other in _similar(symbol)
            if other == symbol or charges.get(symbol, 0) <= 0 or charges[symbol] in _oxidation_states(other)
        )
        for symbol in amounts
    )


@cache
def _similar(symbol: str) -> tuple[str, ...]:
    own = Element(symbol)
    if own.is_noble_gas or own.atomic_radius is None:
        return (symbol,)

    def alike(other: Element) -> bool:
        if other == own:
            return True
        if other.atomic_radius is None or other.is_noble_gas:
            return False
        if other.Z > HEAVIEST or other.symbol in HARDLY_ANY_COMPOUND:
            return False
        if own.is_lanthanoid or own.is_actinoid:
            return other.is_lanthanoid if own.is_lanthanoid else other.is_actinoid
        if other.is_lanthanoid or other.is_actinoid or "H" in (own.symbol, other.symbol):
            return False
        reach = 1 if own.block == "d" and other.block == "d" else 0
        return own.block == other.block and abs(own.group - other.group) <= reach

    return tuple(element.symbol for element in sorted(Element, key=lambda element: element.Z) if alike(element))


@cache
def _oxidation_states(symbol: str) -> frozenset[int]:
    element = Element(symbol)
    return frozenset(element.icsd_oxidation_states) | frozenset(element.common_oxidation_states)


def _charges(amounts: Mapping[str, int]) -> dict[str, int]:
    """Return the likeliest oxidation states that balance; none if they are not whole numbers."""
    if len(amounts) == 1 or _ANIONS.isdisjoint(amounts):
        return {}
    guesses = Composition(amounts).oxi_state_guesses()
    if not guesses or any(charge != int(charge) for charge in guesses[0].values()):
        return {}
    return {symbol: int(charge) for symbol, charge in guesses[0].items()}


def electronegativity_spread(symbols: Sequence[str], amounts: Sequence[int]) -> float:
    """Return the standard deviation of Pauling's electronegativity over the atoms of a compound."""
    values = np.array([_electronegativity(symbol) for symbol in symbols])
    weights = np.array(amounts) / sum(amounts)
    return float(np.sqrt((weights * (values - weights @ values) ** 2).sum()))


@cache
def _electronegativity(symbol: str) -> float:
    element = Element(symbol)
    return 0.0 if element.is_noble_gas or math.isnan(element.X) else float(element.X)


@cache
def bond_radius(symbol: str, spread: float) -> float:
    """Return a radius in Å; the sum of two is the bond length in an ionic, covalent or metallic crystal.

    It is a linear function of the spread of electronegativity in the compound, with the data-mined parameters of Chu et
    al. (Comput. Mater. Sci. 146, 184, 2018), which pymatgen has, too. Elements without usable parameters have Slater's
    radius (J. Chem. Phys. 41, 3199, 1964).

    Args:
        symbol: symbol of the element.
        spread: standard deviation of the compound's electronegativity, see `electronegativity_spread`.

    Raises:
        ValueError: no radius of the element is known.
    """
    constant, slope = _bond_parameters().get(symbol, (math.nan, math.nan))
    if not 0 < constant < 3:
        radius = Element(symbol).atomic_radius
        if radius is None:
            raise ValueError(f"no radius is known of {symbol}")
        return float(radius)
    return constant + slope * spread


@cache
def _bond_parameters() -> dict[str, tuple[float, float]]:
    """Return the radius in Å without a spread of electronegativity, and how much it grows with it, of each element."""
    with BOND_RADII_FILE.open(newline="", encoding="utf-8") as file:
        return {row["element"]: (float(row["r"]), float(row["k"])) for row in csv.DictReader(file)}


@cache
def covalent_radius(symbol: str) -> float:
    """Return the covalent radius in Å by Cordero et al. (Dalton Trans. 2832, 2008), taken from gemmi."""
    return gemmi.Element(symbol).covalent_r
