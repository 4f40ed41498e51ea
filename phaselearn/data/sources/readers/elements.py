"""Symbols of elements, with or without a charge, and their atomic numbers; the isotopes D and T are hydrogen."""

import re

from pymatgen.core import Element

ATOMIC_NUMBERS = {element.symbol: element.Z for element in Element} | {"D": 1, "T": 1}
LONGEST = 32  # characters of a symbol
_CHARGE = re.compile(r"\d*\.?\d*[+-]|[+-]\d*\.?\d*")


def atomic_number(symbol: str) -> int | None:
    """Return the atomic number of a symbol such as `Na`, `Na+`, `Fe2.5+` or `O-2`; None if it is not an element's."""
    if len(symbol) > LONGEST:
        return None
    for letters in (symbol[:2], symbol[:1]):
        if letters in ATOMIC_NUMBERS and (letters == symbol or _CHARGE.fullmatch(symbol, len(letters))):
            return ATOMIC_NUMBERS[letters]
    return None
