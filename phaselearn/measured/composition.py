"""Contents of a cell from a formula, and the number of formula units that its volume suggests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import gemmi
import numpy as np

from phaselearn.crystal.choices import LARGEST_ATOMIC_NUMBER
from phaselearn.crystal.formula_parts import parts_of
from phaselearn.errors import UserError
from phaselearn.measured.cells import Cell, volume
from phaselearn.measured.lattice_symmetry import lattice_rotations
from phaselearn.measured.laue_classes import rotation_order

_LONGEST = 1000  # characters; no formula is longer
_FACTOR = re.compile(r"\s*(\d+\.?\d*|\.\d+|[nx](?=[\s(\[{]))?")  # 2(H2 O)
_TERM = re.compile(r"\s*(?:([A-Z][a-z]?)|([(\[{])|[)\]}])\s*(\d+\.?\d*|\.\d+|[nx](?![a-z]))?\s*")
_CHARGE = re.compile(r"(?<![^\s(\[{])(?:\d*[+-]|[+-]\d+)(?=[\s)\]},]|$)")
_MOST = 1e5  # atoms
# Average volumes in Å³ of atoms in crystals: Hofmann, Acta Cryst. B58 (2002) 489; 25 Å³ stands for others.
_VOLUMES = MappingProxyType({"H": 5.1, "D": 5.1, "B": 13.2, "C": 13.9, "N": 11.8, "O": 11.4, "F": 11.2, "Fe": 25.0})
_OTHER_VOLUME = 25.0
_UNITS = (1, 2, 4, 8, 16, 32)  # numbers of equivalent sites
_UNITS_OF_THREEFOLD = (1, 2, 3, 4, 6, 8, 12, 16, 18, 24, 36, 48, 96)  # the same with a threefold axis


def scatters(symbol: str) -> bool:
    """Return whether a symbol is that of an element whose scattering is tabulated: H to Cf, and D.

    gemmi alone looks at no more than two letters: to it, `None` is nobelium.
    """
    element = gemmi.Element(symbol)
    return element.name == symbol and 0 < element.atomic_number <= LARGEST_ATOMIC_NUMBER


def contents_of_formula(formula: str) -> dict[str, float]:
    """Return {element: atoms in one formula unit} of a formula.

    Read are `C14 H14 O2`, `CsSn0.9In0.07Cl3`, parts and groups such as `C14 H14 O2, 2(H2 O)` and `CuSO4.5H2O`,
    charges such as `Fe C6 N6 4-`, and polymers such as `(C2 H4)n`: n and x count as 1.

    Raises:
        UserError: it cannot be read.
    """
    contents: dict[str, float] = {}
    try:
        if len(formula) > _LONGEST:
            raise ValueError
        for part in parts_of(_CHARGE.sub(" ", formula)):
            factor = _FACTOR.match(part)
            assert factor is not None  # it may be empty
            _add(contents, _added_up(part[factor.end() :]), _count(factor[1]))
        if not 0 < sum(contents.values()) <= _MOST:
            raise ValueError
    except ValueError:
        helps = "give elements, H to Cf, and numbers, e.g. formula=C14H14O2 or formula='CuSO4*5H2O'"
        raise UserError(f"formula={formula[:60]!r} cannot be read: {helps}") from None
    return contents


def _added_up(part: str) -> dict[str, float]:
    """Return {element: atoms} of a part without commas.

    Raises:
        ValueError: it cannot be read.
    """
    levels: list[dict[str, float]] = [{}]  # of open brackets
    place = 0
    while place < len(part):
        found = _TERM.match(part, place)
        if found is None or (found[1] and not scatters(found[1])):
            raise ValueError
        place = found.end()
        if found[2]:
            levels.append({})
            place = found.end(2)
        else:
            group = {found[1]: 1.0} if found[1] else levels.pop()
            if not levels:
                raise ValueError
            _add(levels[-1], group, _count(found[3]))
    if len(levels) != 1:
        raise ValueError
    return levels[0]


def _count(text: str | None) -> float:
    return 1.0 if text in (None, "", "n", "x") else float(text)


def _add(contents: dict[str, float], more: Mapping[str, float], times: float) -> None:
    for element, count in more.items():
        contents[element] = contents.get(element, 0.0) + times * count


def checked_elements(elements: Iterable[str]) -> dict[str, float]:
    """Return {element: 0} of symbols.

    Raises:
        UserError: one of them is not an element whose scattering is tabulated.
    """
    symbols = [str(element).strip().capitalize() for element in elements]
    unknown = [symbol for symbol in symbols if not scatters(symbol)]
    if unknown or not symbols:
        named = ", ".join(unknown) or "nothing"
        helps = "symbols from H to Cf are needed, e.g. elements=C,H,O"
        raise UserError(f"elements: {named[:60]!r} is not an element that is known to scatter; {helps}")
    return dict.fromkeys(symbols, 0.0)


def formula_units(contents: Mapping[str, float], cell: Cell) -> int:
    """Return the number of formula units whose atoms would fill a cell best, of numbers that space groups have.

    Args:
        contents: {element: atoms in one formula unit}.
        cell: a, b, c in Å, α, β, γ in degrees.
    """
    each = sum(count * _VOLUMES.get(element, _OTHER_VOLUME) for element, count in contents.items())
    threefold = any(rotation_order(rotation) == 3 for rotation in lattice_rotations(cell))
    units = np.array(_UNITS_OF_THREEFOLD if threefold else _UNITS)
    return int(units[np.argmin(np.abs(np.log(units * each / volume(cell))))])
