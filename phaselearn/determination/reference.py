"""A solution beside the published structure: atoms found, map correlation, and pymatgen's verdict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from phaselearn.crystal.judgement import Judgement, judge
from phaselearn.determination.atoms import Atoms, atoms_of, batched, expanded, factors_of
from phaselearn.determination.determination import Determination
from phaselearn.determination.point_atoms import observed_in_p1
from phaselearn.errors import UserError
from phaselearn.measured.cells import lattice_of
from phaselearn.measured.readers.shelx_atoms import read_model

TOLERANCE = 0.5  # Å
_PIVOTS = 6  # heaviest atoms that are tried on each other; one pair of them is right
_SAME_CELL = 0.02  # of an edge, or of 90°
_SAME_PLACE = 1e-3  # of an edge: an operation leaves a site of a .res where it is


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Agreement of a solution with a published structure; origin and hand are free.

    Attributes:
        found: share of the published non-H atoms of the cell with an atom of the solution within 0.5 Å.
        real: share of the solution's atoms with a published atom within 0.5 Å.
        elements: share of the found atoms that have the right element.
        deviation: root mean square distance of the found atoms in Å.
        correlation: map correlation of the phases of both models, with the measured amplitudes.
        floor: the same with all phases zero in place of the solution's.
        matched: whether pymatgen's StructureMatcher takes both for the same structure, H left out.
    """

    found: float
    real: float
    elements: float
    deviation: float
    correlation: float
    floor: float
    matched: bool


def compared(known: Atoms, result: Determination) -> Comparison | None:
    """Compare the best candidate with the atoms of a published structure; None where there is no candidate."""
    best = result.best
    if best is None:
        return None
    lattice = lattice_of(best.cell)
    own = atoms_of(best)
    index, distance, real = superposed(known, own, lattice)
    near = distance < TOLERANCE
    judgement = _judged(result, known, own)
    return Comparison(
        found=float(near.mean()),
        real=real,
        elements=float((own[0][index] == known[0])[near].mean()) if near.any() else 0.0,
        deviation=float(np.sqrt(np.square(distance[near]).mean())) if near.any() else float("nan"),
        correlation=float(judgement.correlation[0]),
        floor=float(judgement.floor[0]),
        matched=_matched(lattice, known, own),
    )


def read_atoms(path: Path, cell: tuple[float, ...]) -> Atoms:
    """Return the non-H atoms in the cell of a CIF or of a SHELX .res, as `atoms_of` does.

    Raises:
        UserError: the file is none of these with atoms, or it has another cell.
    """
    try:
        edges, atoms = _of_shelx(path) if path.suffix.lower() in (".res", ".ins") else _of_cif(path)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"reference={path} cannot be read ({error}): give a CIF or .res with atoms") from error
    if not len(atoms[0]):
        raise UserError(f"reference={path} has no atoms beside hydrogen: give the CIF or .res of a structure")
    own = np.array(cell)
    if (np.abs(edges - own) > _SAME_CELL * np.where(np.arange(6) < 3, own, 90)).any():
        raise UserError(
            f"reference={path} has the cell {_numbers(edges)}, and the reflections {_numbers(own)}: give the structure "
            "in the cell of the reflections, or leave reference out"
        )
    return atoms


def _of_cif(path: Path) -> tuple[NDArray[np.float64], Atoms]:
    """Return cell (6,) and atoms."""
    small = gemmi.read_small_structure(str(path))
    sites = [
        (site.element.atomic_number, np.array([site.fract.x, site.fract.y, site.fract.z]), site.occ)
        for site in small.get_all_unit_cell_sites()
    ]
    return np.array(small.cell.parameters), expanded(sites, np.eye(3, dtype=int)[None], np.zeros((1, 3)))


def _of_shelx(path: Path) -> tuple[NDArray[np.float64], Atoms]:
    """Return cell (6,) and atoms."""
    stated, listed = read_model(path.read_text(encoding="utf-8", errors="replace"), path)
    operations = [gemmi.Op(triplet) for triplet in stated.operations]
    rotations = np.array([operation.rot for operation in operations]) // gemmi.Op.DEN
    translations = np.array([operation.tran for operation in operations]) / gemmi.Op.DEN
    sites = []
    for site in listed:
        moved = rotations @ site.position + translations - site.position
        order = int((np.abs(moved - np.round(moved)).max(1) < _SAME_PLACE).sum())
        sites.append((gemmi.Element(site.element).atomic_number, site.position, site.share * order))
    return np.array(stated.cell), expanded(sites, rotations, translations)


def _numbers(values: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.2f}" for value in values)


def superposed(
    known: Atoms, own: Atoms, lattice: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64], float]:
    """Return the nearest atom and its distance in Å for each known atom, and the share of own atoms that are real.

    One of the heaviest atoms is put on any atom of the solution, for both hands; the superposition that finds most
    is taken.
    """
    if not len(own[0]):
        return np.zeros(len(known[0]), dtype=np.intp), np.full(len(known[0]), np.inf), 0.0
    best: tuple[float, NDArray[np.intp], NDArray[np.float64], float] | None = None
    for hand in (1, -1):
        places = hand * own[1]
        for pivot in np.argsort(-known[0], kind="stable")[:_PIVOTS]:
            for other in places:
                apart = known[1][:, None] - (places + known[1][pivot] - other)[None]
                distance = np.linalg.norm((apart - np.round(apart)) @ lattice, axis=-1)
                nearest, least = distance.argmin(1), distance.min(1)
                score = float((least < TOLERANCE).mean() - 0.01 * np.minimum(least, TOLERANCE).mean())
                if best is None or score > best[0]:
                    best = score, nearest, least, float((distance.min(0) < TOLERANCE).mean())
    assert best is not None  # there is an atom on either side
    return best[1], best[2], best[3]


def _judged(result: Determination, known: Atoms, own: Atoms) -> Judgement:
    probe = result.data.experiment.probe
    observed, _ = observed_in_p1(result.merged, probe)
    return judge(factors_of(own, observed, probe), observed, *batched(known))[0]


def _matched(lattice: NDArray[np.float64], known: Atoms, own: Atoms) -> bool:
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.core import Structure

    if not len(own[0]):
        return False
    first, second = (Structure(lattice, numbers.tolist(), places) for numbers, places in (known, own))
    return bool(StructureMatcher(primitive_cell=True).fit(first, second))
