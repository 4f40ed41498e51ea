"""Files of one structure that pymatgen reads: vasprun.xml, cssr, xsf, res, …."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pymatgen.core import DummySpecies, Structure
from pymatgen.io.registry import get_structure_format

from phaselearn.data.sources.structure_type import Cell
from phaselearn.data.structures import Unusable

# Those that hold numbers and nothing else. By a name such as a.json.old pymatgen would read JSON, which names modules
# that it imports; packages that are installed may add formats of their own.
_FORMATS = {"vasprun", "cssr", "xsf", "mcsqs", "prismatic", "res", "pwmat", "exciting", "lmto", "abinit-nc"}
_MOST_BYTES = 1 << 30


def read(path: Path) -> Iterator[tuple[str, Cell]]:
    """Yield the structure of a file, of a calculation the last one.

    Raises:
        Unusable: no format of that name is read, or it is too large.
    """
    try:
        known = get_structure_format(filename=path.name).name in _FORMATS
    except (ValueError, ImportError):
        known = False
    if not known:
        raise Unusable("no structure file by its name")
    if path.stat().st_size > _MOST_BYTES:
        raise Unusable(f"a file of more than {_MOST_BYTES >> 20} MiB, which is read whole")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield "0", cell_of(Structure.from_file(path))


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
