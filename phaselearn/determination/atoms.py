"""The atoms of a cell, from those of an asymmetric unit, and the structure factors that they give."""

from __future__ import annotations

import gemmi
import numpy as np
import torch
from numpy.typing import NDArray

from phaselearn.crystal.layout import miller_box
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.structure.candidate import Candidate

_LEAST_OCCUPANCY = 0.5
_SAME_PLACE = 0.01  # fractional, of images of a site on a special position

Atoms = tuple[NDArray[np.int64], NDArray[np.float64]]


def atoms_of(candidate: Candidate) -> Atoms:
    """Return atomic numbers (A,) and fractional coordinates (A, 3) of all atoms in the cell."""
    group = candidate.space_group
    sites = [
        (gemmi.Element(atom.element).atomic_number, np.array(atom.xyz), atom.occupancy) for atom in candidate.atoms
    ]
    return expanded(sites, group.rotations, group.translations)


def expanded(
    sites: list[tuple[int, NDArray[np.float64], float]],
    rotations: NDArray[np.integer],
    translations: NDArray[np.float64],
) -> Atoms:
    """Return the atoms of the cell, without hydrogen and without sites that are less than half full.

    Args:
        sites: atomic number, fractional coordinates (3,) and occupancy of each site.
        rotations: (G, 3, 3) rotations of the space group.
        translations: (G, 3) translations of the space group.
    """
    numbers, positions = [], []
    for number, place, occupancy in sites:
        if number <= 1 or occupancy < _LEAST_OCCUPANCY:
            continue
        images: list[NDArray[np.float64]] = []
        for image in (rotations @ place + translations) % 1:
            apart = [image - other for other in images]
            if all(np.abs(each - np.round(each)).max() > _SAME_PLACE for each in apart):
                images.append(image)
        positions.extend(images)
        numbers.extend([number] * len(images))
    return np.array(numbers, dtype=np.int64), np.array(positions, dtype=float).reshape(-1, 3)


def factors_of(atoms: Atoms, observed: Observed, probe: str) -> torch.Tensor:
    """Return structure factors (1, n₁, n₂, n₃) of atoms at rest, on the box of a crystal's reflections."""
    return structure_factors(observed.lattice, *batched(atoms), miller_box(observed.shape), probe)


def batched(atoms: Atoms) -> tuple[torch.Tensor, torch.Tensor]:
    """Return atomic numbers (1, A) and fractional coordinates (1, A, 3) as tensors."""
    return torch.from_numpy(atoms[0])[None], torch.from_numpy(atoms[1])[None].float()
