"""The reduced formula of a crystal, always worked out from its atoms: it decides what trains and what tests."""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache

import numpy as np
from pymatgen.core import Composition, Element

_LONGEST = 1000  # characters; no formula is longer
_TOLERANCE = 1e-3  # of the share of an element in a stated formula, which may be rounded


def reduced_formula(numbers: np.ndarray) -> str:
    """Return the reduced formula, in pymatgen's form, of the atoms of a cell.

    Args:
        numbers: (n,) atomic numbers of known elements, at least one.
    """
    kinds, amounts = np.unique(numbers, return_counts=True)
    divisor = math.gcd(*amounts.tolist())
    return _formula(tuple(zip(kinds.tolist(), (amounts // divisor).tolist(), strict=True)))


@lru_cache(maxsize=1 << 16)
def _formula(amounts: tuple[tuple[int, int], ...]) -> str:
    return Composition({Element.from_Z(number): amount for number, amount in amounts}).reduced_formula


def contradicts(stated: str, numbers: np.ndarray) -> bool:
    """Return whether a formula that somebody states is one of other atoms, in whatever unit; D and T are H.

    A text that is no formula, such as a name, contradicts nothing.

    Args:
        stated: e.g. `NaCl`, `Na1 Cl1` or `Na4Cl4`.
        numbers: (n,) atomic numbers of the cell.
    """
    if len(stated) > _LONGEST:
        return True
    try:
        given = Composition(stated)
    except (ValueError, KeyError, OverflowError):
        return False
    amounts: Counter[str] = Counter()
    for kind, amount in given.items():
        amounts["H" if kind.symbol in ("D", "T") else kind.symbol] += amount
    atoms = Counter(Element.from_Z(int(number)).symbol for number in numbers)
    return amounts.keys() != atoms.keys() or any(
        abs(amounts[symbol] / amounts.total() - atoms[symbol] / atoms.total()) > _TOLERANCE for symbol in atoms
    )
