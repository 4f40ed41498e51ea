"""Sites of atoms: the operations that leave a point where it is, and the directions in which it may move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phaselearn.structure.geometry import shortest
from phaselearn.structure.space_group import SpaceGroup

_EXACT = 1e-3  # Å, within which an image is the point itself
_PASSES = 4  # of moving a point onto the elements of symmetry around it


@dataclass(frozen=True, eq=False)
class Site:
    """A point and its site symmetry.

    Attributes:
        position: (3,) fractional, exactly on its elements of symmetry.
        multiplicity: number of its images in the cell.
        directions: (3, F) fractional vectors of length 1 Å along which it may move, F from 0 to 3.
    """

    position: NDArray[np.float64]
    multiplicity: int
    directions: NDArray[np.float64]

    @classmethod
    def near(cls, position: NDArray[np.float64], group: SpaceGroup, lattice: NDArray[np.float64], reach: float) -> Site:
        """Return the site of a point that is moved onto the elements of symmetry next to it.

        Args:
            position: (3,) fractional.
            group: its operations.
            lattice: (3, 3), rows in Å.
            reach: distance in Å to an image, below which image and point are one.
        """
        inverse = np.linalg.inv(lattice).astype(np.float64)
        for _ in range(_PASSES):
            steps = _to_images(position, group, lattice)
            near = np.linalg.norm(steps @ lattice, axis=1) <= reach
            if near.sum() == 1:
                return cls(position % 1.0, group.order, inverse.T)
            position = position + steps[near].mean(0)
        steps = _to_images(position, group, lattice)
        fixed = np.linalg.norm(steps @ lattice, axis=1) <= _EXACT
        position = position + steps[fixed].mean(0)
        # The mean of the rotations projects onto the directions that all of them leave as they are.
        projector = lattice.T @ group.rotations[fixed].mean(0) @ inverse.T
        values, vectors = np.linalg.eigh((projector + projector.T) / 2)
        free = inverse.T @ vectors[:, values > 0.5]
        return cls(position % 1.0, group.order // int(fixed.sum()), free)

    def images(self, group: SpaceGroup) -> NDArray[np.float64]:
        """Return (G, 3) the images of the point under all operations, those on one place included."""
        return images_of(self.position, group)


def images_of(position: NDArray[np.float64], group: SpaceGroup) -> NDArray[np.float64]:
    """Return (..., G, 3) the images of points (..., 3)."""
    images: NDArray[np.float64] = np.einsum("gij,...j->...gi", group.rotations, position) + group.translations
    return images


def _to_images(position: NDArray[np.float64], group: SpaceGroup, lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    return shortest(images_of(position, group) - position, lattice)
