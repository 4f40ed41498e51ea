"""The element of a site, by its type symbol or its label."""

from __future__ import annotations

import re
from collections.abc import Container
from functools import lru_cache

from phaselearn.data.sources.readers.elements import ATOMIC_NUMBERS, LONGEST
from phaselearn.data.sources.readers.elements import atomic_number as of_plain_symbol
from phaselearn.data.structures import Unusable

_SYMBOLS = frozenset(ATOMIC_NUMBERS)
_CAPITALS = frozenset(map(str.upper, ATOMIC_NUMBERS))
_LAST = 103  # no crystal has an element beyond; a label such as Cn1 means something else
_CHARGE = r"[+-]+|\d*\.?\d*[+-]|[+-]\d*\.?\d+"
_ROMAN = r"VI{1,3}|IV|I{2,3}"
# FE, 2H, O--, FeIII, Fe(III), Fe2; Cval and Siva, valence states in the tables of scattering factors; and Ti_sv, a
# potential of simulations.
_SYMBOL = (
    rf"(?:\d{{1,3}})?(?P<element>[A-Za-z]LETTERS)"
    rf"(?:{_CHARGE}|{_ROMAN}|\((?:{_ROMAN}|{_CHARGE}|I|V)\)|va|val|_[a-z]+|\d+)?"
)
# Labels in place of symbols, such as Fe1A; and AgI, which may be silver(I).
_DOUBTFUL = r"(?P<element>[A-Za-z]LETTERS)(?:\d+[A-Za-z0-9'*]*|I|V)"
_MOLECULE = re.compile(r"(?:H2O|D2O|NH4|CH[23]|[CNPS]O[34])(?![A-Za-z0-9])")  # on one site
_MIXED = re.compile(r"[/,;&|]|\d\.\d")  # Na/K, Fe0.9


def atomic_number(symbol: str, label: str, formula: Container[str] | None) -> int:
    """Return the atomic number of a type symbol or, if that does not help, of a label such as `FE1`.

    Args:
        symbol: type symbol as in the file; may be empty.
        label: label of the site as in the file; may be empty.
        formula: elements of the stated formula, or None: they tell whether CA1 is calcium or a carbon atom.

    Raises:
        Unusable: it is not an element, or may be one of several.
    """
    symbol = "".join(symbol.split())
    plain = of_plain_symbol(symbol)
    if plain is not None and symbol != "T":  # in zeolites, silicon or aluminium
        return plain
    known = _of_symbol(symbol, label)
    if len(known) > 1 and formula is not None:
        known = {name for name in known if name in formula}
    if not known:
        raise Unusable("unknown element")
    if len(known) > 1:
        raise Unusable("elements that the labels leave open")
    return ATOMIC_NUMBERS[known.pop()]


def _of_symbol(symbol: str, label: str) -> set[str]:
    """Return the elements that a site may have."""
    if len(symbol) > LONGEST:
        return set()
    known = _read(_SYMBOL, symbol)
    if known:
        return known
    doubtful, named = _read(_DOUBTFUL, symbol), _of_label(label)
    if _is_group(re.sub(r"[\d()+-]", "", symbol)):
        # O1W on a site that is called so, or Fe2B on Fe2; but H2O is water, and Fe2O3 no iron.
        is_label = label.startswith(symbol) or (symbol.startswith(label) and symbol[len(label) :].isalpha())
        return (doubtful & named) - {"H"} if is_label and symbol[-1:].isalpha() else set()
    return doubtful or (set() if _is_mixed(symbol, named) else named)


@lru_cache(maxsize=1 << 12)
def _is_group(word: str) -> bool:
    """Return whether a word is made of several elements: OH, HO, NH, FeMn, FEMN."""
    return word not in ATOMIC_NUMBERS and any(
        word[:letters] in symbols and _is_made_of(symbols, word[letters:])
        for symbols in (_SYMBOLS, _CAPITALS)
        for letters in (1, 2)
    )


def _is_made_of(symbols: Container[str], word: str) -> bool:
    """Return whether a word is made of at least one symbol, in a time that grows with its length alone."""
    ends = {0}
    for place in range(len(word)):
        if place in ends:
            ends.update(place + letters for letters in (1, 2) if word[place : place + letters] in symbols)
    return bool(word) and len(word) in ends


def _is_mixed(symbol: str, named: Container[str]) -> bool:
    """Return whether a symbol says that the element of its label is not all there is: Na/K, Fe0.5Mn0.5, Fe_Mn."""
    words = re.findall("[A-Z][A-Za-z]*", symbol)
    return _MIXED.search(symbol) is not None or any(
        _is_group(word) or (word in ATOMIC_NUMBERS and word not in named) for word in words
    )


def _read(pattern: str, symbol: str) -> set[str]:
    """Return the element of a symbol, of two letters if there is one."""
    for letters in ("[A-Za-z]", ""):
        reading = re.fullmatch(pattern.replace("LETTERS", letters), symbol)
        if reading is not None and (known := _elements(reading["element"])):
            return known
    return set()


def _of_label(label: str) -> set[str]:
    """Return the elements that a label may stand for: Fe1 is iron, but CA1 may be calcium or a carbon atom."""
    letters = re.match(r"[A-Za-z]+", label)
    if letters is None or _MIXED.search(label) or _MOLECULE.match(label):
        return set()
    word = letters[0]
    metals = re.match("([A-Z][a-z])([A-Z][a-z])", word)
    if metals is not None and set(metals.groups()) <= _SYMBOLS:  # SiAl1, two on one site
        return set()
    if not re.match("[A-Z][a-z]", word):
        return _elements(word[:2]) | _elements(word[0])
    # Ow is an oxygen atom of water; but Wat is not tungsten, Du is not deuterium, and Va is a vacancy.
    if re.match("[A-Z][a-z]{2}|Du|Va", word):
        return set()
    return _elements(word[:2]) or _elements(word[0])


def _elements(name: str) -> set[str]:
    name = "H" if name in ("D", "d") else name.capitalize()
    return {name} if 0 < ATOMIC_NUMBERS.get(name, 0) <= _LAST and name != "T" else set()
