"""SHELX .res, those of AIRSS among them: the sites are repeated by the symmetry, and compared with UNIT."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from phaselearn.data.admission import MOST_ATOMS, lattice_of
from phaselearn.data.sources.operations import FIT, Operations, rounding_of
from phaselearn.data.sources.readers.cif.formula import Stated
from phaselearn.data.sources.readers.elements import atomic_number
from phaselearn.data.sources.readers.texts import text_of
from phaselearn.data.sources.structure_type import Cell
from phaselearn.data.structures import Unusable
from phaselearn.errors import UserError
from phaselearn.measured.readers.shelx_atoms import read_model

_SAME_SHARE = 0.01  # shares are written with four digits or five, and multiplied by up to 192


def read(path: Path) -> Iterator[tuple[str, Cell]]:
    """Yield the structure.

    Raises:
        Unusable: the file cannot be read, atoms are missing, or the crystal is disordered.
    """
    try:
        stated, sites = read_model(text_of(path), path)
    except UserError as error:
        raise Unusable("not a file of SHELX that can be read") from error
    assert stated.cell is not None  # read_model sees to it
    if len(sites) > MOST_ATOMS:
        raise Unusable(f"more than {MOST_ATOMS:,} atoms ({len(sites):,} sites)")
    lattice = lattice_of(list(stated.cell[:3]), list(stated.cell[3:]))
    operations = Operations.of_triplets(stated.operations)
    if operations.misfit(lattice) > FIT:
        raise Unusable("operations that do not fit the cell")
    if any(site.part for site in sites):
        raise Unusable("disorder groups")
    kinds = [atomic_number(site.element) for site in sites]
    if None in kinds:
        raise Unusable("unknown element")
    positions = np.array([site.position for site in sites])
    rounding = np.array([[rounding_of(text) for text in site.written] for site in sites])
    orbits = operations.orbits(positions, rounding, lattice, MOST_ATOMS)
    for site, orbit in zip(sites, orbits, strict=True):
        occupancies = site.share, site.share * len(operations.rotations) / len(orbit)
        if min(abs(occupancy - 1) for occupancy in occupancies) > _SAME_SHARE:
            raise Unusable("partial occupancy")
    numbers = np.repeat(np.array(kinds, dtype=np.int64), [len(orbit) for orbit in orbits])
    contents = {element: count for element, count in stated.contents.items() if count}
    Stated(contents or None, 1.0 if contents else None).check(numbers)
    yield "0", (lattice, np.concatenate(orbits), numbers)
