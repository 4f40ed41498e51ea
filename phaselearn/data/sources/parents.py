"""The prototypes that `source=prototypes` decorates, prepared from pymatgen's library by `parent_library`."""

from __future__ import annotations

import gzip
import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

PARENTS_FILE = Path(__file__).with_name("shipped") / "aflow_parents.json.gz"
PARENT_CELLS = ("primitive", "conventional")
STRAIN = 0.015  # standard deviation of the strain that is added, within the symmetry
_MOST_DECORATIONS = 5000  # decorations of one prototype


@dataclass(frozen=True)
class Parent:
    """A prototype as it was published: its cell, and the values that decorating it needs.

    Attributes:
        name: label in the library; the second structure of a label has `.2` behind it.
        lattice: rows a, b, c (3, 3) in Å.
        positions: fractional coordinates (n, 3) in [0, 1).
        element_of: place in `elements` of each atom (n,).
        elements: symbols of the elements (e), by atomic number.
        amounts: number of atoms of each element in the cell.
        choices: symbols of the elements that may replace each element, itself included.
        prototype: name of the structure type.
        space_group: number of the space group.
        type_varies: whether the letters of the Wyckoff positions change with the axial ratios.
        point_group: rotations (m, 3, 3) of fractional coordinates, whole numbers.
        contacts: places (k, 2) in `elements` of two atoms that touch.
        contact_weights: share (k,) of each of `contacts` in all contacts.
        separations: shortest distances (e, e) in Å between atoms of two elements.
    """

    name: str
    lattice: np.ndarray
    positions: np.ndarray
    element_of: np.ndarray
    elements: tuple[str, ...]
    amounts: tuple[int, ...]
    choices: tuple[tuple[str, ...], ...]
    prototype: str
    space_group: int
    type_varies: bool
    point_group: np.ndarray
    contacts: np.ndarray
    contact_weights: np.ndarray
    separations: np.ndarray

    @property
    def combinations(self) -> int:
        """Number of ways to choose the elements."""
        return math.prod(map(len, self.choices))

    @property
    def decorations(self) -> int:
        """Number of decorations that are tried."""
        return min(self.combinations, _MOST_DECORATIONS)

    def strained(self, draw: np.random.Generator, size: float) -> np.ndarray:
        """Return the lattice (3, 3) in Å under a random strain that keeps its symmetry.

        Args:
            draw: source of random numbers.
            size: standard deviation of the strain before it is averaged over the point group.
        """
        strain = draw.normal(scale=size, size=(3, 3))
        strain = (strain + strain.T) / 2
        # A rotation W of fractional coordinates is Lᵀ W L⁻ᵀ on Cartesian ones.
        rotations = self.lattice.T @ self.point_group @ np.linalg.inv(self.lattice.T)
        strain = (rotations @ strain @ rotations.transpose(0, 2, 1)).mean(0)
        return self.lattice @ (np.eye(3) + strain)


@cache
def parents(cell: str) -> tuple[Parent, ...]:
    """Return the prototypes in the order of the library.

    Args:
        cell: the cell that they have, one of PARENT_CELLS: `primitive` is Niggli-reduced.
    """
    with gzip.open(PARENTS_FILE, "rt", encoding="utf-8") as text:
        return tuple(map(_parent, json.load(text)[cell]))


def _parent(entry: dict[str, Any]) -> Parent:
    arrays = {name: np.array(entry[name]) for name, kind in Parent.__annotations__.items() if kind == "np.ndarray"}
    tuples = {name: tuple(entry[name]) for name in ("elements", "amounts")}
    return Parent(**entry | arrays | tuples | {"choices": tuple(map(tuple, entry["choices"]))})
