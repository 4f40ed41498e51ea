"""Distances of atoms to their nearest neighbours, in units in which they are about 1 whatever the elements."""

from __future__ import annotations

from collections.abc import Sequence

import gemmi
import numpy as np
from numpy.typing import NDArray

from phaselearn.structure.geometry import distances
from phaselearn.structure.sites import images_of
from phaselearn.structure.space_group import SpaceGroup

_SAME = 0.3  # Å, of an atom and its own image on a special position


def nearest_neighbours(
    elements: Sequence[str], positions: NDArray[np.float64], group: SpaceGroup, lattice: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (A,) the distance of each atom to its nearest neighbour over the sum of their covalent radii.

    Args:
        elements: A symbols.
        positions: (A, 3) fractional coordinates of the asymmetric unit.
        group: space group.
        lattice: (3, 3), rows in Å.
    """
    radii = np.array([gemmi.Element(symbol).covalent_r for symbol in elements])
    apart = distances(positions[:, None, None] - images_of(positions, group)[None], lattice)
    ratio = np.where(apart < _SAME, np.inf, apart) / (radii[:, None, None] + radii[None, :, None])
    # In a small cell an atom may be its own neighbour, one cell away.
    own = float(np.linalg.norm(lattice, axis=1).min()) / (2 * radii)
    nearest: NDArray[np.float64] = np.minimum(ratio.min((1, 2)), own)
    return nearest
