"""The known crystal that a structure is isotypic with: the same arrangement of atoms in a cell of like shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from phaselearn.data.formula import reduced_formula
from phaselearn.data.sources.structure_type import Cell, choose_cell
from phaselearn.determination.atoms import Atoms
from phaselearn.solver.isotypes.known_crystals import PACKAGE, KnownCrystals
from phaselearn.solver.isotypes.reduced_bases import reduced_bases, shape

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
    known, tree = _known_crystals()
    cell = _primitive((lattice, atoms[1][heavy], atoms[0][heavy]))
    compared = [(unlike, _compared(cell, row, known)) for unlike, row in _alike(cell, known, tree)[:_MOST]]
    found = [(unlike, isotype) for unlike, isotype in compared if isotype is not None]
    best = min(found, key=lambda one: (one[0] > 0, round(one[1].deviation / _NEAR), one[0]), default=None)
    return None if best is None else best[1]


@cache
def _known_crystals() -> tuple[KnownCrystals, KDTree]:
    """Return the known crystals of the package, and the shapes of their cells."""
    known = KnownCrystals.read(PACKAGE)
    return known, KDTree(shape(known.lattice))


def _primitive(cell: Cell) -> Cell:
    """Return the primitive cell, in which known crystals are; the cell as it is where spglib finds no symmetry."""
    try:
        return choose_cell(cell, "primitive")
    except ValueError:
        return cell


def _alike(cell: Cell, known: KnownCrystals, tree: KDTree) -> list[tuple[int, int]]:
    """Return how unlike the elements are, Σ|ΔZ|, and the known crystals, the likest first, those with hydrogen later.

    These have a cell of like shape and, of each element, as many atoms.
    """
    lattice, _, numbers = cell
    near = tree.query_ball_point(shape(reduced_bases(lattice).astype(float) @ lattice), _TOLERANCE, p=np.inf)
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


def _compared(cell: Cell, row: int, known: KnownCrystals) -> KnownIsotype | None:
    """Return a known crystal and how near its atoms are; None if it is not isotypic."""
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.core import Structure

    lattice, places, own_numbers = cell
    numbers, positions = known.atoms(row)
    heavy = numbers > 1
    own = Structure(lattice, own_numbers.tolist(), places)
    theirs = Structure(known.lattice[row], numbers[heavy].tolist(), positions[heavy])
    # Both cells are primitive. The matcher's own reduction is coarser, and slow for atoms that almost repeat.
    distance, _ = StructureMatcher(primitive_cell=False).get_rms_anonymous(own, theirs)
    if distance is None:
        return None
    unit = (own.volume / len(own)) ** (1 / 3)  # Å, of the matcher's distances
    return KnownIsotype(
        name=known.names[row],
        formula=reduced_formula(numbers),
        deviation=float(distance * unit),
        origin=known.origin,
    )
