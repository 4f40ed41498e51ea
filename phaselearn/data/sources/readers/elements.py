"""Symbols of elements, with or without a charge and a spin, and their numbers; the isotopes D and T are hydrogen."""

import re

from pymatgen.core import Element

ATOMIC_NUMBERS = {element.symbol: element.Z for element in Element} | {"D": 1, "T": 1}
LONGEST = 32  # characters of a symbol
_STATE = re.compile(r"(?:\d*\.?\d*[+-]|[+-]\d*\.?\d*)?(?:,spin=-?\d*\.?\d*)?")  # the charge, and pymatgen's spin


def atomic_number(symbol: str) -> int | None:
    """Return the atomic number of `Na`, `Fe2.5+`, `O-2` or `Fe2+,spin=5`; None if the symbol is not an element's."""
    if len(symbol) > LONGEST:
        return None
    for letters in (symbol[:2], symbol[:1]):
        if letters in ATOMIC_NUMBERS and _STATE.fullmatch(symbol, len(letters)):
            return ATOMIC_NUMBERS[letters]
    return None
