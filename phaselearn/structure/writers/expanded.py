"""Structures in axes so uncommon that other programs misread their operations: every atom is written out instead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from phaselearn.structure.candidate import Atom, Candidate
from phaselearn.structure.space_group import SpaceGroup

_SAME = 1e-4  # difference of coordinates of one place
_NOTE = (
    "every atom of the cell is written, in P 1: the group has operations such as {triplet}, whose factors common "
    "programs misread; the CIF of the standard setting has the group"
)


def is_common(group: SpaceGroup) -> bool:
    """Return whether all operations add and subtract single coordinates, as all tabulated ones do.

    pymatgen and ASE read `-x-2*z` as another operation and do not complain.
    """
    return bool((np.abs(group.rotations) <= 1).all())


def every_atom(candidate: Candidate) -> Candidate:
    """Return a structure with all atoms of the cell, in P 1, and a note that says so."""
    group = candidate.space_group
    atoms = [
        replace(atom, label=f"{atom.label}_{number}", xyz=(x, y, z), multiplicity=1)
        for atom in candidate.atoms
        for number, (x, y, z) in enumerate(_images(atom, group), start=1)
    ]
    strange = int((np.abs(group.rotations) > 1).any((1, 2)).argmax())
    note = _NOTE.format(triplet=group.triplets[strange])
    return replace(candidate, space_group=SpaceGroup.named("P 1"), atoms=tuple(atoms), notes=(*candidate.notes, note))


def _images(atom: Atom, group: SpaceGroup) -> list[list[float]]:
    places = (group.rotations @ np.array(atom.xyz) + group.translations) % 1.0
    apart = np.abs(places[:, None] - places)
    same = (np.minimum(apart, 1 - apart) < _SAME).all(-1)
    first = same.argmax(1) == np.arange(len(places))
    kept: list[list[float]] = places[first].tolist()
    return kept
