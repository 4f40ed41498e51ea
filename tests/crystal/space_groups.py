"""The space groups that a test goes through, and a cell for each."""

import gemmi
import numpy as np

from tests.thinned import thinned

CELLS = {
    "triclinic": (6.0, 7.0, 8.0, 82.0, 97.0, 104.0),
    "monoclinic": (6.0, 7.0, 8.0, 90.0, 103.0, 90.0),
    "orthorhombic": (6.0, 7.0, 8.0, 90.0, 90.0, 90.0),
    "tetragonal": (6.0, 6.0, 8.0, 90.0, 90.0, 90.0),
    "trigonal": (6.0, 6.0, 8.0, 90.0, 90.0, 120.0),
    "hexagonal": (6.0, 6.0, 8.0, 90.0, 90.0, 120.0),
    "cubic": (7.0, 7.0, 7.0, 90.0, 90.0, 90.0),
}

# Each Laue class with each of its centrings.
COVERING = (
    *(2, 14, 15, 19, 36, 41, 43, 72, 76, 88, 136, 122, 147, 146, 152, 167, 176, 178),
    *(198, 206, 203, 212, 230, 227),
)


def space_groups(first: int = 1) -> list:
    """Return the numbers from `first` on as parameters; all but those in COVERING are slow."""
    return thinned(range(first, 231), COVERING.__contains__)


def lattice_of(number: int) -> np.ndarray:
    """Return (3, 3) the rows of a lattice that a space group allows, in Å."""
    cell = gemmi.UnitCell(*CELLS[gemmi.find_spacegroup_by_number(number).crystal_system_str()])
    return np.array(cell.orth.mat.tolist()).T
