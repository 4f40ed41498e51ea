"""The known crystal that a structure is isotypic with: the same arrangement of atoms in a cell of like shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from phaselearn.crystal.structure_factors import geometric_sum
from phaselearn.data.formula import reduced_formula
from phaselearn.data.sources.structure_type import Cell, choose_cell
from phaselearn.determination.atoms import Atoms
from phaselearn.solver.isotypes.isotype_search import IsotypeSearch
from phaselearn.solver.isotypes.known_crystals import PACKAGE, KnownCrystals

_TOLERANCE = 0.08  # of cells, as in conf/starts/isotypes.yaml
_LEAST = 0.6  # correlation of |F|, as there
_MOST = 6  # known crystals that are compared atom by atom
_LARGEST = 5  # |h|, |k| and |l| of the reflections that are compared, as many as the search looks at
_FINEST = 2.0  # Å, of these
_FEWEST = 30  # of these, however fine, if there are so many


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

    Which elements there are plays no part, but atoms of one must correspond to atoms of one. Hydrogen is left out. The
    same compound is named if it is known, and else the crystal with the likest |F|.

    Args:
        atoms: atomic numbers (A,) and fractional coordinates (A, 3) of all atoms of the cell.
        lattice: (3, 3), rows in Å.
    """
    if not len(atoms[0]):
        return None
    search, cell = _known_crystals(), _primitive(lattice, atoms)
    isotypes = search.find(*_reflections(*cell), cell[0], _MOST)
    likest = np.array([isotype.row for isotype in isotypes], np.int64)
    same = (_compared(cell, row, search.known) for row in _of_one_compound(cell[2], likest, search.known))
    nearest = min((one for one in same if one is not None), key=lambda isotype: isotype.deviation, default=None)
    if nearest is not None:
        return nearest
    others = (_compared(cell, row, search.known) for row in likest.tolist())
    return next((one for one in others if one is not None), None)


def _of_one_compound(numbers: NDArray[np.int64], rows: NDArray[np.int64], known: KnownCrystals) -> list[int]:
    """Return the known crystals of the types of some of them that are of the compound of these atoms."""
    own = _ratio(numbers)
    of_the_types = np.flatnonzero(np.isin(known.kind, known.kind[rows])).tolist()
    return [row for row in of_the_types if _ratio(known.atoms(row)[0]) == own]


def _ratio(numbers: NDArray[np.int64]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the elements beside hydrogen, and the ratio of their atoms in lowest terms."""
    elements, counts = np.unique(numbers[numbers > 1], return_counts=True)
    return tuple(elements.tolist()), tuple((counts // max(np.gcd.reduce(counts), 1)).tolist())


def _compared(cell: Cell, row: int, known: KnownCrystals) -> KnownIsotype | None:
    """Return a known crystal and how near its atoms are; None if it is not isotypic."""
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.core import Structure

    numbers, positions = known.atoms(row)
    heavy = numbers > 1
    if not heavy.any():
        return None
    own = Structure(cell[0], cell[2].tolist(), cell[1])
    theirs = Structure(known.lattice[row], numbers[heavy].tolist(), positions[heavy])
    distance, _ = StructureMatcher().get_rms_anonymous(own, theirs)
    if distance is None:
        return None
    unit = (own.volume / len(own)) ** (1 / 3)  # Å, of the matcher's distances
    return KnownIsotype(
        name=known.names[row],
        formula=reduced_formula(numbers),
        deviation=float(distance * unit),
        origin=known.origin,
    )


def _primitive(lattice: NDArray[np.float64], atoms: Atoms) -> Cell:
    """Return the primitive cell, in which known crystals are; the cell as it is where spglib finds no symmetry."""
    cell = (lattice, atoms[1], atoms[0])
    try:
        return choose_cell(cell, "primitive")
    except ValueError:
        return cell


@cache
def _known_crystals() -> IsotypeSearch:
    return IsotypeSearch(KnownCrystals.read(PACKAGE), _TOLERANCE, _LEAST)


def _reflections(
    lattice: NDArray[np.float64], positions: NDArray[np.float64], numbers: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the coarse reflections (n, 3) of atoms at rest, one of each Friedel pair, and their |F| (n,)."""
    along = torch.arange(-_LARGEST, _LARGEST + 1)
    hkl = torch.cartesian_prod(along[_LARGEST:], along, along).numpy()
    factors = geometric_sum(
        torch.from_numpy(numbers).double()[None], torch.from_numpy(positions)[None], (along[_LARGEST:], along, along)
    )
    square = np.square(hkl @ np.linalg.inv(lattice).T).sum(1)
    order = np.argsort(square, kind="stable")
    half = order[_first_nonzero(hkl[order]) > 0]
    kept = half[(square[half] <= 1 / _FINEST**2) | (np.arange(len(half)) < _FEWEST)]
    return hkl[kept], factors[0].abs().flatten().numpy()[kept]


def _first_nonzero(hkl: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (n,) the first index of each reflection that is not 0; 0 for the origin."""
    place = (hkl != 0).argmax(1)
    return np.take_along_axis(hkl, place[:, None], 1)[:, 0]
