"""Symmetry that the atoms of a structure have and its space group lacks.

A map is noisy, so its phases may hide an operation that the atoms found in it obey. Le Page (J. Appl. Cryst. 20, 264,
1987) looks for such operations among the atoms; here spglib does.
"""

from __future__ import annotations

from collections.abc import Sequence

import spglib

from phaselearn.determination.atoms import atoms_of
from phaselearn.measured.cells import lattice_of
from phaselearn.structure.candidate import Candidate
from phaselearn.structure.ranking import explains_as_well

_NEAR = 0.2  # Å, by which an operation may miss an atom


def has_missed_symmetry(candidate: Candidate) -> bool:
    """Return whether the atoms, hydrogen aside, obey more operations than the space group has."""
    numbers, positions = atoms_of(candidate)
    if not len(numbers):
        return False
    cell = lattice_of(candidate.cell).tolist(), positions.tolist(), numbers.tolist()
    found = spglib.get_symmetry(cell, symprec=_NEAR)
    return found is not None and len(found["rotations"]) > len(candidate.space_group.rotations)


def is_higher_and_fits(higher: Sequence[Candidate], lower: Sequence[Candidate]) -> bool:
    """Return whether the best of some candidates has more operations than that of others, and fits about as well."""
    if not higher or not lower:
        return False
    one, other = higher[0], lower[0]
    more = len(one.space_group.rotations) > len(other.space_group.rotations)
    return more and explains_as_well(one.fit.r1, other.fit.r1)
