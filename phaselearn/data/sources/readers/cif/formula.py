"""What a file states of its contents, and whether the atoms are those."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass

import gemmi
import numpy as np
from pymatgen.core import Composition

from phaselearn.data.sources.readers.cif.blocks import Block, number
from phaselearn.data.sources.readers.cif.elements import is_element
from phaselearn.data.structures import Unusable

_TOLERANCE = 0.01  # relative
_COUNT = r"\d+\.?\d*|\.\d+"
_PARTS = re.compile(r"[,·•*]")  # Na1, Cl1; CaSO4 * 2(H2O)
_NO_ATOMS = re.compile(r"(?<!\S)(?:\d*[+-]|[+-]\d*|n)(?!\S)|(?<=[)\]}])n\b|(?<!\S)n(?=[(\[{])")  # a charge, a polymer


@dataclass(frozen=True)
class Stated:
    """The formula of a file and how many such units its cell holds; None where it does not say.

    Attributes:
        formula: {element: atoms}, deuterium as hydrogen; without elements of which there are none.
        units: Z.
    """

    formula: Counter[str] | None
    units: float | None

    @classmethod
    def of(cls, block: Block) -> Stated:
        """Return what a block states.

        Raises:
            Unusable: its formula or its Z cannot be read.
        """
        text, units = block.value("_chemical_formula_sum"), block.value("_cell_formula_units_z")
        count = number(units) if units else None
        if count is not None and math.isnan(count):
            raise Unusable("Z that cannot be read")
        return cls(read_formula(text) if text else None, count)

    @property
    def complete(self) -> bool:
        """Whether the number of atoms in the cell is stated."""
        return self.formula is not None and self.units is not None

    def check(self, numbers: np.ndarray) -> None:
        """Compare the atoms (n,) of the cell with what is stated.

        Raises:
            Unusable: some are missing, or too many.
        """
        if self.formula is None:
            return
        atoms = Counter(gemmi.Element(int(each)).name for each in numbers)
        ratios = {name: atoms[name] / count for name, count in self.formula.items()}
        unit = max(ratios.values(), default=0.0)
        missing = {name for name in ratios if ratios[name] < unit * (1 - _TOLERANCE)}
        if missing == {"H"}:
            raise Unusable("hydrogen atoms without positions")
        if missing or atoms.keys() != self.formula.keys():
            raise Unusable("atoms that do not add up to the stated formula")
        if self.units is not None and not (_near(unit, self.units) or (_near(unit, 1) and self._is_of_the_cell())):
            raise Unusable("atoms that do not add up to Z")

    def _is_of_the_cell(self) -> bool:
        """Whether the formula is that of the cell, and Z of its reduced formula: pymatgen writes it so."""
        whole = Composition({name: round(count) for name, count in self.formula.items()})
        # Two for F4 and for Li4O4: pymatgen reduces them to F2 and Li2O2.
        return _near(self.units, whole.get_reduced_formula_and_factor()[1])


def read_formula(text: str) -> Counter[str]:
    """Return the atoms of each element: of `Na Cl`, `NaCl`, `Na1, Cl1`, `(C2 H4)n`, `CaSO4, 2(H2O)`, `Fe C6 N6 4-`.

    Symbols that are no element stay, so that no atom answers to them; elements of which there are none do not.

    Raises:
        Unusable: it is no formula.
    """
    # Old programs write NA1 CL1.
    readings = [text, " ".join(map(str.capitalize, text.split()))] if text.isupper() else [text]
    for reading in readings:
        try:
            formula = _added_up(reading)
        except (ValueError, OverflowError):
            continue
        if all(map(is_element, formula)) or reading == readings[-1]:
            return formula
    raise Unusable("stated formula that cannot be read")


def _added_up(text: str) -> Counter[str]:
    formula: Counter[str] = Counter()
    for part in _PARTS.split(_NO_ATOMS.sub(" ", text)):
        factor, units = re.fullmatch(rf"\s*({_COUNT})?(.*)", part, re.DOTALL).groups()
        for species, count in Composition(units).items() if units.strip() else ():
            amount = float(factor or 1) * count
            if not math.isfinite(amount):
                raise ValueError
            formula[species.symbol] += amount
    return Counter({name: count for name, count in formula.items() if count > 0})


def _near(value: float, expected: float) -> bool:
    return abs(value - expected) <= _TOLERANCE * expected
