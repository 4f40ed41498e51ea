"""The reduced formula of a crystal, always worked out from its atoms: it decides which crystals train and test."""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter, defaultdict
from contextlib import suppress
from functools import lru_cache

import numpy as np
from pymatgen.core import Composition, Element

from phaselearn.crystal.formula_parts import parts_of

_LONGEST = 1000  # characters; no formula is longer
_FACTOR = re.compile(r"^\s*(\d+\.?\d*|\.\d+)?")  # 2(H2O)
_NO_ATOMS = re.compile(r"(?<!\S)(?:\d*[+-]|[+-]\d*|n)(?!\S)|(?<=[)\]}])n\b|(?<!\S)n(?=[(\[{])")  # a charge, a polymer
_SYMBOLS = {element.symbol for element in Element}
_TOLERANCE = 1e-3  # of the share of an element in a stated formula with decimals, which may be rounded


def reduced_formula(numbers: np.ndarray) -> str:
    """Return the reduced formula, in pymatgen's form, of the atoms of a cell.

    Args:
        numbers: atomic numbers (n,) of known elements; at least one.
    """
    kinds, amounts = np.unique(numbers, return_counts=True)
    divisor = math.gcd(*amounts.tolist())
    return _formula(tuple(zip(kinds.tolist(), (amounts // divisor).tolist(), strict=True)))


@lru_cache(maxsize=1 << 16)
def _formula(amounts: tuple[tuple[int, int], ...]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # elements without an electronegativity, by which pymatgen sorts
        return Composition({Element.from_Z(number): amount for number, amount in amounts}).reduced_formula


def read_formula(text: str) -> dict[str, float]:
    """Return the number of atoms of each element in a formula.

    Formulas of all kinds are read: `Na Cl`, `NaCl`, `Na1, Cl1`, `(C2 H4)n`, `CaSO4, 2(H2O)`, `CaSO4.2H2O`,
    `Fe C6 N6 4-`.

    D and T count as hydrogen. A symbol of no element is kept, so that no crystal matches the formula; an element of
    which there are 0 atoms is not.

    Raises:
        ValueError: the text is not a formula.
    """
    if len(text) > _LONGEST:
        raise ValueError("too long for a formula")
    # Old programs write NA1 CL1.
    readings = [text, " ".join(map(str.capitalize, text.split()))] if text.isupper() else [text]
    formulas = []
    for reading in readings:
        with suppress(ValueError, KeyError, OverflowError):
            formulas.append(_added_up(reading))
    if not formulas:
        raise ValueError("no formula")
    return next((formula for formula in formulas if formula.keys() <= _SYMBOLS), formulas[-1])


def _added_up(text: str) -> dict[str, float]:
    formula: dict[str, float] = defaultdict(float)
    for part in parts_of(_NO_ATOMS.sub(" ", text)):
        _, factor, units = _FACTOR.split(part, maxsplit=1)
        for kind, count in Composition(units).items() if units.strip() else ():
            amount = float(factor or 1) * count
            if not math.isfinite(amount):
                raise ValueError("not finite")
            formula["H" if kind.symbol in ("D", "T") else kind.symbol] += amount
    return {symbol: amount for symbol, amount in formula.items() if amount > 0}


def contradicts(stated: str, numbers: np.ndarray) -> bool:
    """Return whether a stated formula, in whatever unit, disagrees with the atoms; D and T count as hydrogen.

    A text that is not a formula, such as a name, contradicts nothing.

    Args:
        stated: the formula, e.g. `NaCl`, `Na1 Cl1` or `Na4Cl4`.
        numbers: atomic numbers (n,) of the cell.
    """
    if len(stated) > _LONGEST:
        return True
    try:
        amounts = read_formula(stated)
    except ValueError:
        return False
    atoms = Counter(Element.from_Z(int(number)).symbol for number in numbers)
    total = sum(amounts.values())
    tolerance = 0.0 if all(amount.is_integer() for amount in amounts.values()) else _TOLERANCE * total * atoms.total()
    return amounts.keys() != atoms.keys() or any(
        abs(amounts[symbol] * atoms.total() - atoms[symbol] * total) > tolerance for symbol in atoms
    )
