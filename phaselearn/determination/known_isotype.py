"""The known crystal that a structure is isotypic with: the same arrangement of atoms in a cell of like shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from phaselearn.data.formula import reduced_formula
from phaselearn.data.sources.structure_type import Cell, choose_cell
from phaselearn.determination.atoms import Atoms
from phaselearn.solver.isotypes.known_crystals import KnownCrystals, known_crystals_of_the_package
from phaselearn.solver.isotypes.reduced_bases import reduced_bases, shape

if TYPE_CHECKING:
    from pymatgen.core import Structure

_TOLERANCE = 0.08  # of the shapes of cells, as in conf/starts/isotypes.yaml
_MOST = 30  # known crystals that are compared atom by atom
_NEAR = 0.02  # Å, to which two known crystals are equally near


@dataclass(frozen=True, kw_only=True)
class KnownIsotype:
    """A known crystal with the same arrangement of atoms.

    Attributes:
        name: its id in its collection.
        formula: its reduced formula.
        deviation: root mean square distance in Å of its atoms, scaled to the cell of the structure, from those there.
        origin: licence and attribution of the collection.
    """

    name: str
    formula: str
    deviation: float
    origin: str


def known_isotype(atoms: Atoms, lattice: NDArray[np.float64]) -> KnownIsotype | None:
    """Return the known crystal of the package that a structure is isotypic with; None if there is none.

    Which elements there are plays no part, but atoms of one must correspond to atoms of one. The compound itself is
    named if it is known, and else, of the known crystals with the most similar elements, the one whose atoms are
    nearest. Hydrogen is left out.

    Args:
        atoms: atomic numbers (A,) and fractional coordinates (A, 3) of all atoms of the cell.
        lattice: (3, 3), rows in Å.
    """
    heavy = atoms[0] > 1
    if not heavy.any():
        return None
    from pymatgen.analysis.structure_matcher import StructureMatcher

    known = known_crystals_of_the_package()
    cell = _primitive((lattice, atoms[1][heavy], atoms[0][heavy]))
    own = _structure(cell)
    unit = (own.volume / len(own)) ** (1 / 3)  # Å, of the matcher's distances
    # Both cells are primitive. The matcher's own reduction is coarser, and slow for atoms that almost repeat.
    matcher = StructureMatcher(primitive_cell=False)
    found = []
    for rank, (unlike, row) in enumerate(_alike(cell, known)[:_MOST]):
        distance, _ = matcher.get_rms_anonymous(own, _structure(_without_hydrogen(known, row)))
        if distance is not None:
            deviation = float(distance * unit)
            found.append((unlike > 0, round(deviation / _NEAR), rank, row, deviation))
    if not found:
        return None
    *_, row, deviation = min(found)
    formula = reduced_formula(known.atoms(row)[0])
    return KnownIsotype(name=known.names[row], formula=formula, deviation=deviation, origin=known.origin)


@cache
def _shapes() -> KDTree:
    """Return the shapes of the cells of the package's known crystals."""
    return KDTree(shape(known_crystals_of_the_package().lattice))


def _primitive(cell: Cell) -> Cell:
    """Return the primitive cell, in which known crystals are; the cell as it is where spglib finds no symmetry."""
    try:
        return choose_cell(cell, "primitive")
    except ValueError:
        return cell


def _alike(cell: Cell, known: KnownCrystals) -> list[tuple[int, int]]:
    """Return how unlike the elements are, Σ|ΔZ|, and the known crystals, the likest first, those with hydrogen later.

    These have a cell of like shape and, of each element, as many atoms.
    """
    lattice, _, numbers = cell
    near = _shapes().query_ball_point(shape(reduced_bases(lattice).astype(float) @ lattice), _TOLERANCE, p=np.inf)
    own, counts = np.sort(numbers), _counts(numbers)
    rows = []
    for row in sorted(set().union(*near)):
        theirs = known.atoms(row)[0]
        heavy = np.sort(theirs[theirs > 1])
        if len(heavy) == len(own) and _counts(heavy) == counts:
            rows.append((int(np.abs(heavy - own).sum()), len(theirs) - len(heavy), row))
    return [(unlike, row) for unlike, _, row in sorted(rows)]


def _counts(numbers: NDArray[np.int64]) -> list[int]:
    """Return how many atoms each element has, the fewest first."""
    return sorted(np.unique(numbers, return_counts=True)[1].tolist())


def _without_hydrogen(known: KnownCrystals, row: int) -> Cell:
    numbers, positions = known.atoms(row)
    return known.lattice[row], positions[numbers > 1], numbers[numbers > 1]


def _structure(cell: Cell) -> Structure:
    from pymatgen.core import Structure

    lattice, positions, numbers = cell
    return Structure(lattice, numbers.tolist(), positions)
