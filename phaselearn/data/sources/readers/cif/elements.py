"""The element of a site, by its type symbol or its label."""

from __future__ import annotations

import re
from collections.abc import Container

import gemmi

from phaselearn.data.structures import Unusable

_LAST = 103  # no crystal has an element beyond; a label such as Cn1 means something else
_CHARGE = r"[+-]+|\d*\.?\d*[+-]|[+-]\d*\.?\d+"
_ROMAN = r"VI{0,3}|IV|I{1,3}"
# 2H, Fe3+, Fe2.5+, Fe+2.5, FeIII, Fe(III), the valence states Cval and Siva of the tables of scattering factors, and
# the potentials of simulations, Ti_sv; also labels where symbols should be, Fe1A.
_SYMBOL = re.compile(
    r"(?:\d{1,3})?(?P<element>[A-Za-z]{1,2}?)"
    rf"(?:{_CHARGE}|{_ROMAN}|\((?:{_ROMAN}|{_CHARGE})\)|va|val|_[a-z]+|\d+[A-Za-z0-9'*]*)?"
)
_SEVERAL = re.compile(r"(?:\(?[A-Z][a-z]?\d*\)?\d*){2,}[\d+-]*|.*[/,;&|].*")  # OH, H2O, NH4+; Na/K


def atomic_number(symbol: str, label: str, formula: Container[str] | None) -> int:
    """Return the atomic number of a type symbol or, where there is none that helps, of a label such as `FE1`.

    Args:
        symbol: as in the file; may be empty.
        label: the same.
        formula: the elements that the file states, if it does: they tell whether CA1 is calcium or a carbon atom.

    Raises:
        Unusable: no element, or more than one that it may be.
    """
    symbol = "".join(symbol.split())
    known = _of_symbol(symbol)
    if not known:
        if _SEVERAL.fullmatch(symbol):
            raise Unusable("unknown element")
        known = _of_label(label)
    if len(known) > 1 and formula is not None:
        known = {name for name in known if name in formula}
    if not known:
        raise Unusable("unknown element")
    if len(known) > 1:
        raise Unusable("elements that the labels leave open")
    return gemmi.Element(known.pop()).atomic_number


def is_element(name: str) -> bool:
    """Return whether this is a symbol of an element, D included."""
    return 0 < gemmi.Element(name).atomic_number <= _LAST


def _of_symbol(symbol: str) -> set[str]:
    """Return the elements that a type symbol may stand for."""
    readings = [re.fullmatch(_SYMBOL.pattern.replace("{1,2}?", f"{{{letters}}}"), symbol) for letters in (2, 1)]
    names = [reading["element"] for reading in readings if reading is not None]
    return _elements(names[:1]) or _elements(names[1:])


def _of_label(label: str) -> set[str]:
    """Return the elements that a label may stand for: Fe1 is iron, but CA1 may be calcium or an atom of carbon."""
    letters = re.match(r"[A-Za-z]+", label)
    if letters is None:
        return set()
    word = letters[0]
    if re.match("[A-Z][a-z]", word):
        # Ow is an oxygen atom of water, but Wat is no tungsten and Cent no cerium.
        return _elements([word[:2]]) or (_elements([word[0]]) if len(word) == 2 else set())
    return _elements([word[:2]]) | _elements([word[0]])


def _elements(names: list[str]) -> set[str]:
    return {gemmi.Element(name).name for name in names if is_element(name)}
