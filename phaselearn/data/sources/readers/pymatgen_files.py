"""Files of one structure that pymatgen reads, and pymatgen's structures as cells."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pymatgen.core import DummySpecies, Structure
from pymatgen.io.registry import get_structure_format

from phaselearn.data.sources.symmetry import Cell
from phaselearn.data.structures import Unusable


def read(path: Path) -> Iterator[tuple[str, Cell]]:
    """Yield the structure of a file, of a calculation the last one.

    Raises:
        Unusable: pymatgen knows no format of that name, or the file does not name its elements.
    """
    try:
        get_structure_format(filename=str(path))
    except ValueError as error:
        raise Unusable("no structure file by its name") from error
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        structure = Structure.from_file(path)
    # A POSCAR of VASP 4 names no elements: pymatgen takes hydrogen, helium, … instead.
    if any("false names" in str(warning.message) for warning in told):
        raise Unusable("elements not named")
    yield "0", cell_of(structure)


def cell_of(structure: Structure) -> Cell:
    """Return lattice, positions and atomic numbers; isotopes and ions are their elements.

    Raises:
        Unusable: partial occupancy, a site that is no element, or a structure without periods in three directions.
    """
    if not all(structure.lattice.pbc):
        raise Unusable("not periodic in three directions")
    if any(len(site.species) != 1 or abs(site.species.num_atoms - 1) > 1e-8 for site in structure):
        raise Unusable("partial occupancy")
    species = [next(iter(site.species)) for site in structure]
    if any(isinstance(kind, DummySpecies) for kind in species):
        raise Unusable("unknown element")
    numbers = np.array([kind.Z for kind in species], dtype=np.int64)
    return structure.lattice.matrix, structure.frac_coords.reshape(-1, 3), numbers
