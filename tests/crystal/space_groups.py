"""A cell for every space group."""

import gemmi
import numpy as np

CELLS = {
    "triclinic": (6.0, 7.0, 8.0, 82.0, 97.0, 104.0),
    "monoclinic": (6.0, 7.0, 8.0, 90.0, 103.0, 90.0),
    "orthorhombic": (6.0, 7.0, 8.0, 90.0, 90.0, 90.0),
    "tetragonal": (6.0, 6.0, 8.0, 90.0, 90.0, 90.0),
    "trigonal": (6.0, 6.0, 8.0, 90.0, 90.0, 120.0),
    "hexagonal": (6.0, 6.0, 8.0, 90.0, 90.0, 120.0),
    "cubic": (7.0, 7.0, 7.0, 90.0, 90.0, 90.0),
}


def lattice_of(number: int) -> np.ndarray:
    """Return (3, 3) the rows of a lattice that a space group allows, in Å."""
    cell = gemmi.UnitCell(*CELLS[gemmi.find_spacegroup_by_number(number).crystal_system_str()])
    return np.array(cell.orth.mat.tolist()).T
