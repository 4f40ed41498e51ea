"""The contacts between the molecules of a crystal, by pymatgen's list of neighbours and covalent radii alone."""

from __future__ import annotations

from collections import defaultdict, deque

import gemmi
import numpy as np
from pymatgen.core import Lattice, Structure

from phaselearn.data.structures import Crystal

REACH = 3.8  # Å
_BONDED = 1.25  # longest bond, relative to the sum of the covalent radii


def contacts(crystal: Crystal) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pairs (p, 2) of atoms of different molecules, their distances (p,) in Å, and the molecule of each atom.

    Molecules are what covalent bonds hold together, walked from atom to atom over the borders of the cell; a chain or
    framework without end counts as one molecule.
    """
    structure = Structure(Lattice(crystal.lattice), crystal.numbers, crystal.positions)
    first, second, image, distance = structure.get_neighbor_list(REACH)
    radii = np.array([gemmi.Element(int(number)).covalent_r for number in crystal.numbers])
    bonded = distance < _BONDED * (radii[first] + radii[second])
    near = defaultdict(list)
    for i, j, shift in zip(first[bonded].tolist(), second[bonded].tolist(), image[bonded], strict=True):
        near[i].append((j, shift))
    molecule = np.full(len(crystal.numbers), -1)
    cell = np.zeros((len(crystal.numbers), 3))
    count = 0
    for start in range(len(molecule)):
        if molecule[start] >= 0:
            continue
        molecule[start] = count
        queue = deque([start])
        while queue:
            atom = queue.popleft()
            for other, shift in near[atom]:
                if molecule[other] < 0:
                    molecule[other], cell[other] = count, cell[atom] + shift
                    queue.append(other)
        count += 1
    between = (molecule[first] != molecule[second]) | (cell[first] + image != cell[second]).any(1)
    return np.stack([first, second], axis=1)[between & ~bonded], distance[between & ~bonded], molecule
