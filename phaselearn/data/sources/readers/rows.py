"""JSON objects with `lattice`, `species` and `frac_coords`: rows of JSON lines, or entries of a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from phaselearn.data.admission import MOST_ATOMS
from phaselearn.data.formula import contradicts
from phaselearn.data.sources.readers.elements import atomic_number
from phaselearn.data.sources.structure_type import Cell
from phaselearn.data.structures import Unusable

FIELDS = ("lattice", "species", "frac_coords")
OCCUPANCIES = ("occupancy", "occupancies", "occ", "occu", "occupation", "occupations", "site_occupancies")


def cell_of_row(row: Mapping[str, Any]) -> Cell:
    """Return lattice, positions and atomic numbers.

    Raises:
        Unusable: fields are missing or do not fit together, or it is not an ordered crystal.
    """
    missing = [field for field in FIELDS if field not in row]
    if missing:
        raise Unusable(f"field missing: {', '.join(missing)}")
    species = row["species"]
    if not isinstance(species, list) or not all(isinstance(symbol, str) for symbol in species):
        raise Unusable("partial occupancy: species are not one element an atom")
    if not species:
        raise Unusable("no atoms")
    if len(species) > MOST_ATOMS:
        raise Unusable(f"more than {MOST_ATOMS:,} atoms ({len(species):,})")
    numbers = {symbol: atomic_number(symbol) for symbol in set(species)}
    unknown = next((symbol for symbol in species if numbers[symbol] is None), None)
    if unknown is not None:
        raise Unusable(f"unknown element ({unknown!r:.40})")
    if any(row.get(field) not in (None, 1, [1] * len(species)) for field in OCCUPANCIES):
        raise Unusable("partial occupancy")
    if row.get("pbc") not in (None, True, [True] * 3):
        raise Unusable("not periodic in three directions")
    try:
        lattice = np.array(row["lattice"], dtype=np.float64)
        positions = np.array(row["frac_coords"], dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise Unusable("lattice or frac_coords are not numbers") from error
    if lattice.shape != (3, 3) or positions.shape != (len(species), 3):
        raise Unusable("lattice, species and frac_coords do not fit together")
    atoms = np.array([numbers[symbol] for symbol in species], dtype=np.int64)
    formula = row.get("formula")
    written = _written(formula)
    if written and (not isinstance(written, str) or contradicts(written, atoms)):
        raise Unusable(f"atoms that do not add up to the stated formula ({formula!r:.40})")
    return lattice, positions, atoms


def _written(formula: object) -> object:
    """Return numbers of atoms by element, as pymatgen's `Composition.as_dict` gives them, as a formula."""
    if not isinstance(formula, Mapping) or not all(type(amount) in (int, float) for amount in formula.values()):
        return formula
    return " ".join(f"{symbol}{amount}" for symbol, amount in formula.items())
