"""Cells and structure types of crystals, by spglib."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import spglib

CELLS = ("primitive", "conventional", "as_given")
SYMMETRY_PRECISION = 0.01  # Å

Cell = tuple[np.ndarray, np.ndarray, np.ndarray]  # lattice rows in Å, fractional positions, atomic numbers


def choose_cell(cell: Cell, kind: str) -> Cell:
    """Return the Niggli-reduced primitive cell, the conventional cell or the cell as it is.

    Raises:
        ValueError: spglib finds no symmetry, or cannot reduce the lattice.
    """
    if kind == "as_given":
        return cell
    if kind == "conventional":
        found = spglib.standardize_cell(cell, to_primitive=False, no_idealize=False, symprec=SYMMETRY_PRECISION)
        if found is None:
            raise ValueError("no symmetry found")
        return found
    found = spglib.find_primitive(cell, symprec=SYMMETRY_PRECISION)
    if found is None:
        raise ValueError("no symmetry found")
    lattice, positions, numbers = found
    reduced = spglib.niggli_reduce(lattice)
    if reduced is None:
        raise ValueError("no reduced cell found")
    if np.linalg.det(reduced) < 0:
        reduced = -reduced
    return reduced, wrap(positions @ lattice @ np.linalg.inv(reduced)), numbers


def wrap(positions: np.ndarray) -> np.ndarray:
    """Return fractional positions in [0, 1), rounding errors just below 1 taken to 0."""
    wrapped = positions - np.floor(positions)
    wrapped[wrapped > 1 - 1e-9] = 0.0
    return wrapped


def structure_type(cell: Cell) -> tuple[str, int]:
    """Return the prototype string and the space-group number of a cell.

    The string holds the anonymous formula, the space group and the Wyckoff letters of each element's orbits,
    e.g. `AB_225_a_b` for rock salt: shorter words of letters first, then by the alphabet, whatever the amounts of the
    elements. It is not made unique over choices of origin.

    Raises:
        ValueError: spglib finds no symmetry.
    """
    found = spglib.get_symmetry_dataset(cell, symprec=SYMMETRY_PRECISION)
    if found is None:
        raise ValueError("no symmetry found")
    numbers = np.asarray(cell[2])
    orbits: dict[int, list[str]] = defaultdict(list)
    for first in np.unique(found.crystallographic_orbits):
        orbits[int(numbers[first])].append(found.wyckoffs[first])
    atoms = Counter(numbers.tolist())
    divisor = math.gcd(*atoms.values())
    amounts = sorted(amount // divisor for amount in atoms.values())
    anonymous = "".join(f"{_letter(i)}{amount if amount > 1 else ''}" for i, amount in enumerate(amounts))
    letters = sorted(
        ("".join(sorted(of_element)) for of_element in orbits.values()), key=lambda word: (len(word), word)
    )
    return f"{anonymous}_{found.number}_{'_'.join(letters)}", int(found.number)


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"{chr(ord('A') + index // 26 - 1)}{chr(ord('a') + index % 26)}"
