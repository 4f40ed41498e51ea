"""Files with one structure that pymatgen reads: vasprun.xml, cssr, xsf, …."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pymatgen.core import DummySpecies, Structure
from pymatgen.io.registry import get_structure_format

from phaselearn.data.sources.structure_type import Cell
from phaselearn.data.structures import Unusable

# Formats that hold nothing but numbers. A file a.json.old would be read as JSON, which names modules that pymatgen then
# imports; and installed packages may add formats of their own.
_FORMATS = {"vasprun", "cssr", "xsf", "mcsqs", "prismatic", "pwmat", "exciting", "lmto", "abinit-nc"}
_MOST_BYTES = 1 << 30


def read(path: Path) -> Iterator[tuple[str, Cell]]:
    """Yield the structure of a file; that of a calculation is its last one.

    Raises:
        Unusable: the name is that of no format that is read, the file is too large, or it does not list all atoms of
            the cell.
    """
    try:
        kind = get_structure_format(filename=path.name).name
    except (ValueError, ImportError):
        kind = ""
    if kind not in _FORMATS:
        raise Unusable("no structure file by its name")
    if path.stat().st_size > _MOST_BYTES:
        raise Unusable(f"a file of more than {_MOST_BYTES >> 20} MiB, which is read whole")
    if kind in _CHECKS:
        _CHECKS[kind](path.read_text(encoding="utf-8", errors="replace"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield "0", cell_of(Structure.from_file(path))


def _check_cssr(text: str) -> None:
    """Refuse a file that lists an asymmetric unit, Cartesian coordinates, or not as many atoms as it states.

    pymatgen takes what it finds for the fractional coordinates of the whole cell.

    Raises:
        Unusable: it does.
    """
    if re.search(r"SPGR\s*=\s*1(?!\d)", text) is None:
        raise Unusable(_NOT_ALL_ATOMS)
    _, _, stated, _, *atoms = [*text.splitlines(), *[""] * 4]
    count, flag = [*stated.split(), "", ""][:2]
    if flag != "0":
        raise Unusable("coordinates that are not fractional")
    if count != str(sum(bool(line.strip()) for line in atoms)):
        raise Unusable(_NOT_AS_STATED)


def _check_xsf(text: str) -> None:
    """Refuse a slab, a polymer or a molecule, and a file that lists fewer atoms than it states.

    Raises:
        Unusable: it is one.
    """
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    words = [line[0].upper() for line in lines]
    if {"SLAB", "POLYMER", "MOLECULE", "ATOMS"} & set(words):
        raise Unusable("not periodic in three directions")
    if "PRIMCOORD" in words:
        count, *atoms = lines[words.index("PRIMCOORD") + 1 :] or [[""]]
        listed = sum(len(line) >= 4 for line in atoms[: int(count[0])]) if count[0].isdecimal() else -1
        if count[0] != str(listed):
            raise Unusable(_NOT_AS_STATED)


_NOT_ALL_ATOMS = "symmetry that is not read in files of this format, only P1"
_NOT_AS_STATED = "not as many atoms as the file states"
_CHECKS = {"cssr": _check_cssr, "xsf": _check_xsf}


def cell_of(structure: Structure) -> Cell:
    """Return lattice, positions and atomic numbers; isotopes and ions are their elements.

    Raises:
        Unusable: a site is partially occupied or no element, or the structure is not periodic in three directions.
    """
    if not all(structure.lattice.pbc):
        raise Unusable("not periodic in three directions")
    if any(len(site.species) != 1 or not abs(site.species.num_atoms - 1) <= 1e-8 for site in structure):
        raise Unusable("partial occupancy")
    species = [next(iter(site.species)) for site in structure]
    if any(isinstance(kind, DummySpecies) for kind in species):
        raise Unusable("unknown element")
    numbers = np.array([kind.Z for kind in species], dtype=np.int64)
    return structure.lattice.matrix, structure.frac_coords.reshape(-1, 3), numbers
