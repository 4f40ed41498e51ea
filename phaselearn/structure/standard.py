"""A candidate carried into the standard setting of its space group."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from phaselearn.measured.cells import lattice_of
from phaselearn.structure.candidate import Candidate
from phaselearn.structure.geometry import cell_of
from phaselearn.structure.settings import standard_setting
from phaselearn.structure.sites import Site

_REACH = 0.01  # Å, of a position that is on an element of symmetry but for rounding


def in_standard_setting(candidate: Candidate) -> Candidate | None:
    """Return the same structure in the standard setting; None where spglib finds none.

    With x' = P x + p the basis becomes (a, b, c) P⁻¹, indices (h, k, l) P⁻¹, and F' = F exp(2πi h'·p) V'/V.
    """
    lattice = lattice_of(candidate.cell)
    standard = standard_setting(candidate.space_group, lattice)
    if standard is None:
        return None
    inverse = np.linalg.inv(standard.matrix)
    moved = inverse.T @ lattice
    ratio = abs(float(np.linalg.det(inverse)))
    atoms = []
    for atom in candidate.atoms:
        site = Site.near(standard.matrix @ np.array(atom.xyz) + standard.shift, standard.group, moved, _REACH)
        x, y, z = site.position.tolist()
        atoms.append(replace(atom, xyz=(x, y, z), multiplicity=site.multiplicity))
    table = candidate.reflections
    hkl = np.rint(table.hkl @ inverse).astype(np.int32)
    waves = np.exp(2j * math.pi * (hkl @ standard.shift))
    x, y, z = (np.array(candidate.origin) - inverse @ standard.shift).tolist()
    return replace(
        candidate,
        cell=cell_of(moved),
        space_group=standard.group,
        origin=(x, y, z),
        atoms=tuple(atoms),
        units=max(1, round(candidate.units * ratio)),
        scale=candidate.scale / ratio**2,
        reflections=replace(
            table,
            hkl=hkl,
            intensity=table.intensity * ratio**2,
            sigma=table.sigma * ratio**2,
            calculated=table.calculated * waves * ratio,
        ),
    )
