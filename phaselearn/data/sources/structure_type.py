"""Cells and structure types of crystals, by spglib."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import spglib
from pymatgen.util.string import transformation_to_string

from phaselearn.data.admission import check_cell, refusal
from phaselearn.data.screening import screen
from phaselearn.data.structures import Crystal, Unusable, unreadable

CELLS = ("primitive", "conventional", "as_given")
SYMMETRY_PRECISION = 0.01  # Å

Cell = tuple[np.ndarray, np.ndarray, np.ndarray]  # lattice rows in Å, fractional positions, atomic numbers

# By determinant and trace of the matrix of a rotation (International Tables A).
_ROTATIONS = {1: {3: "t", -1: "2", 0: "3", 1: "4", 2: "6"}, -1: {-3: "−1", 1: "m", 0: "−3", -1: "−4", -2: "−6"}}


@dataclass(frozen=True)
class Operation:
    """A symmetry operation x → R x + t in fractional coordinates.

    Attributes:
        rotation: matrix R (3, 3) of whole numbers.
        translation: vector t (3,).
    """

    rotation: np.ndarray
    translation: np.ndarray

    @property
    def kind(self) -> str:
        """The Hermann–Mauguin symbol of R, so that a screw axis is 2 and a glide plane m; t for a translation."""
        return _ROTATIONS[round(np.linalg.det(self.rotation))][int(np.trace(self.rotation))]

    @property
    def triplet(self) -> str:
        """The operation as in the International Tables, e.g. `-x, y+1/2, -z`."""
        translation = np.round(self.translation % 1.0, 4) % 1.0
        return transformation_to_string(self.rotation, translation, delim=", ")


def space_group_operations(cell: Cell) -> list[Operation]:
    """Return the operations of a cell's space group without the identity; none if spglib finds no symmetry.

    A store that somebody else made may hold any numbers; cells that `phaselearn.data.admission` rejects have no
    operations either.
    """
    lattice, positions, numbers = cell
    if refusal(lattice, numbers, positions) is not None:
        return []
    try:
        found = symmetry_of(cell)
    except ValueError:
        return []
    operations = [Operation(*pair) for pair in zip(found.rotations, found.translations, strict=True)]
    return [
        operation
        for operation in operations
        if (operation.rotation != np.eye(3)).any() or np.abs(operation.translation % 1.0).max() > 1e-6
    ]


def choose_cell(cell: Cell, kind: str) -> Cell:
    """Return the Niggli-reduced primitive cell, the conventional cell or the cell as it is.

    Raises:
        ValueError: spglib finds no symmetry, or cannot reduce the lattice.
    """
    if kind == "as_given":
        return cell
    if kind == "conventional":
        return _found(
            spglib.standardize_cell(_given(cell), to_primitive=False, no_idealize=False, symprec=SYMMETRY_PRECISION)
        )
    lattice, positions, numbers = _found(spglib.find_primitive(_given(cell), symprec=SYMMETRY_PRECISION))
    reduced = spglib.niggli_reduce(lattice)
    if reduced is None:
        raise ValueError("no reduced cell found")
    if np.linalg.det(reduced) < 0:
        reduced = -reduced
    return reduced, wrap(positions @ lattice @ np.linalg.inv(reduced)), numbers


def symmetry_of(cell: Cell) -> spglib.SpglibDataset:
    """Return the symmetry of a cell, as spglib finds it.

    Raises:
        ValueError: spglib finds no symmetry.
    """
    found = spglib.get_symmetry_dataset(_given(cell), symprec=SYMMETRY_PRECISION)
    if found is None:
        raise ValueError("no symmetry found")
    return found


def _given(cell: Cell) -> Any:
    # spglib takes arrays and gives arrays, but its annotations say lists.
    return cell


def _found(cell: Any) -> Cell:
    if cell is None:
        raise ValueError("no symmetry found")
    lattice, positions, numbers = cell
    return lattice, positions, numbers


def wrap(positions: np.ndarray) -> np.ndarray:
    """Return fractional positions in [0, 1); values just below 1, which come from rounding, become 0."""
    wrapped = positions - np.floor(positions)
    wrapped[wrapped > 1 - 1e-9] = 0.0
    return wrapped


def structure_type(cell: Cell) -> tuple[str, int]:
    """Return the prototype string and the space-group number of a cell.

    The string holds the anonymous formula, the space group and the Wyckoff letters of each element's orbits, e.g.
    `AB_225_a_b` for rock salt. The words of letters are sorted by length, then alphabetically, whatever the amounts of
    the elements. Other choices of origin may give another string.

    Raises:
        ValueError: spglib finds no symmetry.
    """
    found = symmetry_of(cell)
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


def crystal_of(identifier: str, cell: Cell, kind: str, stated_type: tuple[str, int] | None = None) -> Crystal:
    """Return the crystal of a cell with its structure type.

    Args:
        identifier: id of the crystal.
        cell: the cell as it was read.
        kind: the cell that the crystal gets: `primitive` (Niggli-reduced), `conventional` or `as_given`.
        stated_type: prototype and space group; None to work them out.

    Raises:
        Unusable: the cell is rejected (see `phaselearn.data.admission`), or spglib finds no symmetry, for example
            because atoms overlap.
    """
    lattice, positions, numbers = cell
    check_cell(lattice, numbers, positions)
    crystal = Crystal(identifier, *_arrays(cell), prototype="", space_group=0)
    if kind == "as_given" and stated_type is not None:
        return replace(crystal, prototype=stated_type[0], space_group=stated_type[1])
    # spglib may crash where atoms are much closer than any are.
    [reason] = screen([crystal], longest_edge=math.inf)
    if reason is not None:
        raise Unusable(reason)
    try:
        chosen = choose_cell(cell, kind)
        prototype, space_group = stated_type or structure_type(chosen)
    except Exception as error:  # spglib raises errors of its own
        unreadable(error)  # raises if memory ran out
        raise Unusable("no symmetry found") from error
    lattice, numbers, positions = _arrays(chosen)
    return replace(
        crystal,
        lattice=lattice,
        numbers=numbers,
        positions=positions,
        prototype=prototype,
        space_group=space_group,
    )


def _arrays(cell: Cell) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return lattice, atomic numbers and positions in [0, 1) as a `Crystal` holds them."""
    lattice, positions, numbers = cell
    return np.array(lattice, np.float64), np.array(numbers, np.int64), wrap(np.array(positions, np.float64))


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"{chr(ord('A') + index // 26 - 1)}{chr(ord('a') + index % 26)}"
