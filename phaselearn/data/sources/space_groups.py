"""Frequencies of the space groups, and random cells with their symmetry."""

from __future__ import annotations

from functools import cache

import gemmi
import numpy as np

WEIGHTINGS = ("inorganic", "uniform")

# Number of crystals in each space group, 1 to 230, among 31,377 distinct, mostly inorganic crystals; 30,761 of them are
# of the Materials Project (Jain et al., APL Materials 1, 011002, 2013).
# fmt: off
_INORGANIC = (
    431, 1356, 13, 242, 194, 80, 80, 225, 203, 61, 456, 1277, 141, 1679, 1080, 4, 1, 19, 153, 58, 20, 1, 12, 4, 72, 87,
    1, 8, 40, 4, 133, 3, 133, 5, 15, 240, 5, 232, 12, 54, 25, 25, 70, 130, 9, 35, 79, 0, 0, 0, 85, 21, 16, 9, 147, 11,
    106, 122, 158, 94, 71, 1988, 1080, 167, 273, 21, 21, 14, 66, 127, 386, 136, 25, 186, 6, 6, 1, 4, 11, 0, 7, 133, 10,
    19, 28, 28, 149, 106, 0, 2, 3, 29, 0, 0, 0, 13, 18, 2, 39, 16, 0, 10, 0, 1, 5, 1, 97, 13, 55, 7, 13, 4, 46, 13, 51,
    6, 3, 7, 47, 3, 89, 150, 530, 11, 40, 11, 284, 35, 579, 21, 25, 7, 1, 3, 8, 185, 45, 11, 1346, 360, 204, 49, 9, 9,
    9, 73, 55, 410, 8, 35, 3, 38, 5, 12, 56, 229, 8, 1, 13, 200, 73, 49, 38, 491, 17, 870, 224, 0, 2, 0, 0, 0, 87, 43,
    4, 145, 0, 4, 1, 19, 9, 16, 5, 0, 28, 264, 316, 5, 441, 22, 393, 2, 221, 1293, 0, 1, 7, 109, 21, 27, 3, 7, 3, 120,
    69, 28, 0, 0, 0, 0, 0, 6, 18, 9, 39, 490, 54, 19, 2, 85, 1106, 0, 111, 19, 2640, 13, 452, 0, 109, 12,
)
# fmt: on
_AXIS_SPREAD = 0.3  # standard deviation of the logarithm of an axis
_ANGLES = (70.0, 110.0)  # range of the angles of a triclinic cell, in degrees
_MONOCLINIC = (90.0, 122.0)  # range of β, in degrees
_SMALLEST_VOLUME = 0.5  # volume of a triclinic cell, relative to the product of its edges


@cache
def weights(kind: str) -> np.ndarray:
    """Return the share (230,) of each space group: as in known inorganic crystals, or equal shares."""
    counts = np.array(_INORGANIC, dtype=float) if kind == "inorganic" else np.ones(230)
    return counts / counts.sum()


def random_cell(number: int, draw: np.random.Generator) -> np.ndarray:
    """Return the vectors (3, 3) of a random conventional cell of volume 1, as rows.

    Edges that the crystal system leaves free have a log-normal distribution, angles a uniform one.

    Args:
        number: number of the space group, in its reference setting (monoclinic b, hexagonal axes).
        draw: random generator.
    """
    a, b, c = np.exp(draw.normal(scale=_AXIS_SPREAD, size=3))
    system = gemmi.find_spacegroup_by_number(number).crystal_system_str()
    if system == "triclinic":
        volume = 0.0
        while volume < _SMALLEST_VOLUME:
            cell = gemmi.UnitCell(a, b, c, *draw.uniform(*_ANGLES, size=3))
            volume = cell.volume / (a * b * c)
    else:
        cell = {
            "monoclinic": lambda: gemmi.UnitCell(a, b, c, 90, draw.uniform(*_MONOCLINIC), 90),
            "orthorhombic": lambda: gemmi.UnitCell(a, b, c, 90, 90, 90),
            "tetragonal": lambda: gemmi.UnitCell(a, a, c, 90, 90, 90),
            "trigonal": lambda: gemmi.UnitCell(a, a, c, 90, 90, 120),
            "hexagonal": lambda: gemmi.UnitCell(a, a, c, 90, 90, 120),
            "cubic": lambda: gemmi.UnitCell(a, a, a, 90, 90, 90),
        }[system]()
    return np.array(cell.orth.mat.tolist()).T / cell.volume ** (1 / 3)
