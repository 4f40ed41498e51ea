"""Contents of a cell from a formula, and the number of formula units that its volume suggests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import gemmi
import numpy as np

from phaselearn.errors import UserError
from phaselearn.measured.cells import Cell, volume
from phaselearn.measured.lattice_symmetry import lattice_rotations
from phaselearn.measured.laue_classes import rotation_order

_TERM = re.compile(r"\s*([A-Z][a-z]?)\s*(\d+(?:\.\d*)?|\.\d+)?\s*,?")
_MOST = 1e5  # atoms
# Average volumes in Å³ of atoms in crystals: Hofmann, Acta Cryst. B58 (2002) 489; 25 Å³ stands for others.
_VOLUMES = MappingProxyType({"H": 5.1, "D": 5.1, "B": 13.2, "C": 13.9, "N": 11.8, "O": 11.4, "F": 11.2, "Fe": 25.0})
_OTHER_VOLUME = 25.0
_UNITS = (1, 2, 4, 8, 16, 32)  # numbers of equivalent sites
_UNITS_OF_THREEFOLD = (1, 2, 3, 4, 6, 8, 12, 16, 18, 24, 36, 48, 96)  # the same with a threefold axis


def contents_of_formula(formula: str) -> dict[str, float]:
    """Return {element: atoms in one formula unit} of a formula such as `C14 H14 O2` or `CsSn0.9In0.07Cl3`.

    Raises:
        UserError: it cannot be read.
    """
    contents: dict[str, float] = {}
    place = 0
    text = formula.strip()
    while place < len(text) and (found := _TERM.match(text, place)):
        if gemmi.Element(found[1]).atomic_number == 0:
            break
        contents[found[1]] = contents.get(found[1], 0.0) + float(found[2] or 1)
        place = found.end()
    if place < len(text) or not contents or not 0 < sum(contents.values()) <= _MOST:
        raise UserError(f"formula={formula[:60]!r} cannot be read: give elements and numbers, e.g. formula=C14H14O2")
    return contents


def checked_elements(elements: Iterable[str]) -> dict[str, float]:
    """Return {element: 0} of symbols.

    Raises:
        UserError: one of them is not an element.
    """
    symbols = [str(element).strip().capitalize() for element in elements]
    unknown = [symbol for symbol in symbols if not symbol or gemmi.Element(symbol).atomic_number == 0]
    if unknown or not symbols:
        named = ", ".join(unknown) or "nothing"
        raise UserError(f"elements: {named[:60]!r} is not an element; symbols are needed, e.g. elements=C,H,O")
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
