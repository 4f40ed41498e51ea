"""The stated formula of a CIF, and its comparison with the atoms."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import gemmi
import numpy as np
from pymatgen.core import Composition

from phaselearn.data.formula import read_formula
from phaselearn.data.sources.readers.cif.blocks import Block, number
from phaselearn.data.structures import Unusable

_TOLERANCE = 0.01  # relative, of numbers with decimals, which may be rounded
_EXACT = 1e-9  # relative, of whole numbers


@dataclass(frozen=True)
class Stated:
    """The stated formula and number of formula units; None if it is not stated.

    Attributes:
        formula: {element: number of atoms}, without elements of which there are 0; deuterium counts as hydrogen.
        units: Z, the number of formula units in the cell.
    """

    formula: Mapping[str, float] | None
    units: float | None

    @classmethod
    def of(cls, block: Block) -> Stated:
        """Return the statements of a block.

        Raises:
            Unusable: the formula or Z cannot be read.
        """
        text, units = block.value("_chemical_formula_sum"), block.value("_cell_formula_units_z")
        count = number(units) if units else None
        if count is not None and math.isnan(count):
            raise Unusable("Z that cannot be read")
        try:
            return cls(read_formula(text) if text else None, count)
        except ValueError as error:
            raise Unusable("stated formula that cannot be read") from error

    @property
    def complete(self) -> bool:
        """Whether the number of atoms in the cell is stated."""
        return self.formula is not None and self.units is not None

    def check(self, numbers: np.ndarray) -> None:
        """Compare the atomic numbers (n,) of the cell with the stated formula and Z.

        Raises:
            Unusable: atoms are missing, or there are too many.
        """
        atoms = Counter(gemmi.Element(int(each)).name for each in numbers)
        if self.formula is None:
            # Whatever the formula is, each unit has as many atoms of an element as every other.
            if self.units is not None and not all(_divides(self.units, count) for count in atoms.values()):
                raise Unusable("atoms that do not add up to Z")
            return
        ratios = {name: atoms[name] / count for name, count in self.formula.items()}
        unit = max(ratios.values(), default=0.0)
        tolerance = _EXACT if all(float(count).is_integer() for count in self.formula.values()) else _TOLERANCE
        missing = {name for name in ratios if not _near(ratios[name], unit, tolerance)}
        if missing == {"H"}:
            raise Unusable("hydrogen atoms without positions")
        if missing or atoms.keys() != self.formula.keys():
            raise Unusable("atoms that do not add up to the stated formula")
        if self.units is not None and not (
            _near(unit, self.units, tolerance)
            or (_near(unit, 1, tolerance) and _is_of_the_cell(self.formula, self.units))
        ):
            raise Unusable("atoms that do not add up to Z")


def _is_of_the_cell(formula: Mapping[str, float], units: float) -> bool:
    """Return whether a formula is that of the whole cell, and Z that of its reduced formula: pymatgen writes it so."""
    whole = Composition({name: round(count) for name, count in formula.items()})
    # Two for F4 and for Li4O4: pymatgen reduces them to F2 and Li2O2.
    return _near(units, whole.get_reduced_formula_and_factor()[1])


def _near(value: float, expected: float, tolerance: float = _TOLERANCE) -> bool:
    return abs(value - expected) <= tolerance * expected


def _divides(units: float, atoms: int) -> bool:
    return units > 0 and atoms >= units * (1 - _TOLERANCE) and _near(atoms / units, round(atoms / units))
