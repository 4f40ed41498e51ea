"""Packing of rigid molecules: they move and turn, and the cell changes its shape, until none is too close to another.

All molecules of the crystal follow from one or two by the operations of the space group, so that only these move. A
molecule on a special position stays there. The energy is the sum of squares of what is missing of the least distances;
it is lowered by gradient steps of the length of Barzilai & Borwein (IMA J. Numer. Anal. 8, 141, 1988).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from phaselearn.data.sources.molecular.near_pairs import Images, NearPairs, near_pairs
from phaselearn.data.sources.wyckoff import WyckoffPosition

_SKIN = 2.0  # Å; pairs within the least distance and this much more are looked at until atoms have moved by half of it
_DONE = 0.03  # Å, largest overlap that is left; the least distances are raised by as much
_STEPS = 400  # gradient steps, at most
_SETTLING = 15  # gradient steps before the cell grows
_GROWTH = 1.012  # factor of the volume each time it grows
_FASTEST = 0.4  # Å, longest gradient step
_RATES = (0.01, 0.5)  # range of the factor from gradient to step
_FIRST_RATE = 0.2


@dataclass(frozen=True, eq=False)
class Body:
    """A rigid molecule in the asymmetric unit.

    Attributes:
        atoms: positions (n, 3) in Å about the centre.
        kinds: row (n,) of each atom in the table of least distances.
        site: the position of the space group that the centre is on.
        free: projector (3, 3) on the axes about which it may turn, Cartesian.
    """

    atoms: np.ndarray
    kinds: np.ndarray
    site: WyckoffPosition
    free: np.ndarray


@dataclass(frozen=True, eq=False)
class Packed:
    """A packing.

    Attributes:
        lattice: primitive vectors (3, 3) in Å, as rows.
        centres: fractional centre (3,) of each body.
        atoms: positions (n, 3) in Å of each body's atoms about its centre, turned.
    """

    lattice: np.ndarray
    centres: list[np.ndarray]
    atoms: list[np.ndarray]


def cartesian(rotations: np.ndarray, lattice: np.ndarray) -> np.ndarray:
    """Return rotations (k, 3, 3) of fractional columns as matrices that act on Cartesian rows: r' = r O."""
    return np.linalg.inv(lattice) @ np.swapaxes(rotations, -1, -2) @ lattice


class Packing:
    """Molecules that are being packed.

    Args:
        lattice: primitive vectors (3, 3) in Å, as rows, with the symmetry of the space group.
        bodies: the molecules of the asymmetric unit.
        centres: fractional centre (3,) of each.
        least: least distances (kinds, kinds) in Å of atoms of different molecules.
        rotations: rotations (g, 3, 3) of the space group, with which the shape of the cell complies.
    """

    def __init__(
        self,
        lattice: np.ndarray,
        bodies: Sequence[Body],
        centres: Sequence[np.ndarray],
        least: np.ndarray,
        rotations: np.ndarray,
    ) -> None:
        self.lattice = lattice
        self.centres = np.array(centres) @ lattice  # Å
        self.atoms = [body.atoms for body in bodies]
        self._limits = [[least[one.kinds[:, None], other.kinds] + _DONE for other in bodies] for one in bodies]
        # The images of all bodies in the cell, one after another.
        self._source = np.repeat(np.arange(len(bodies)), [body.site.multiplicity for body in bodies])
        self._translations = np.concatenate([body.site.translations for body in bodies])
        self._turns = cartesian(np.concatenate([body.site.rotations for body in bodies]), lattice)
        self._turns_of = [self._turns[self._source == number] for number in range(len(bodies))]
        # A turn by one radian counts as a move of this length in Å.
        self._lengths = [max(1.0, math.sqrt(np.square(body.atoms).sum(1).mean() * 2 / 3)) for body in bodies]
        self._scale = float(abs(np.linalg.det(lattice)) ** (1 / 3))  # the same for a strain of one
        self._allowed = self._projector(bodies, cartesian(rotations, lattice))
        # The radius of a molecule, and half the distance of two that touch, relative to these lengths.
        radii = [math.sqrt(np.square(atoms).sum(1).max()) for atoms in self.atoms]
        touching = max(radii) + _SKIN + max(float(limits.max()) for row in self._limits for limits in row) / 2
        turning = max(radius / length for radius, length in zip(radii, self._lengths, strict=True))
        self._lever = math.sqrt(1 + turning**2 + (touching / self._scale) ** 2)
        self._moved = np.zeros(len(self._allowed))  # since the pairs were listed
        self._pairs: NearPairs | None = None

    def _projector(self, bodies: Sequence[Body], group: np.ndarray) -> np.ndarray:
        """Return the matrix that takes forces, torques and stress to moves that the symmetry and the volume allow.

        Args:
            bodies: the bodies.
            group: rotations (g, 3, 3) of the space group, Cartesian.
        """
        count = len(bodies)
        allowed = np.zeros((6 * count + 9,) * 2)
        for number, (body, length) in enumerate(zip(bodies, self._lengths, strict=True)):
            shift, turn = 6 * number, 6 * number + 3
            allowed[shift:turn, shift:turn] = cartesian(body.site.projection, self.lattice).T
            allowed[turn : turn + 3, turn : turn + 3] = body.free / length
        strains = np.eye(9).reshape(9, 3, 3)
        strains = (strains + strains.mT) / 2
        strains = (group.mT @ strains[:, None] @ group).mean(1)
        strains -= np.trace(strains, axis1=1, axis2=2)[:, None, None] * np.eye(3) / 3
        allowed[-9:, -9:] = strains.reshape(9, 9).T / self._scale
        return allowed

    def pack(self, largest: float) -> Packed | None:
        """Return a packing without overlaps; None if the cell would have to grow beyond a volume in Å³."""
        step = gradient = None
        settling = _SETTLING
        for _ in range(_STEPS):
            overlap, new = self._gradient()
            if overlap < _DONE:
                return Packed(self.lattice, list(self._fractional(self.centres)), self.atoms)
            if settling == 0:
                settling = _SETTLING
                self.lattice = self.lattice * _GROWTH ** (1 / 3)
                self.centres *= _GROWTH ** (1 / 3)
                if abs(np.linalg.det(self.lattice)) > largest:
                    return None
                step = None
                continue
            settling -= 1
            rate = _FIRST_RATE
            if step is not None and gradient is not None:
                change = new - gradient
                rate = min(max(abs(step @ change) / max(change @ change, 1e-12), _RATES[0]), _RATES[1])
            step = -rate * new
            longest = max(step.max(), -step.min())
            if longest > _FASTEST:
                step *= _FASTEST / longest
            self._move(step)
            gradient = new
        return None

    def _gradient(self) -> tuple[float, np.ndarray]:
        """Return the largest overlap in Å, and the derivatives with respect to the coordinates of `_move`."""
        pairs = self._near_pairs()
        own, between = np.concatenate(self.atoms), self._between(pairs)
        vectors = between.take(pairs.molecules, 0)
        vectors += np.concatenate(self._images()).take(pairs.second, 0)
        vectors -= own.take(pairs.first, 0)
        squares = np.einsum("pi,pi->p", vectors, vectors)
        active = np.flatnonzero(squares < pairs.least_squared)
        distances = np.sqrt(squares.take(active))
        missing = pairs.least.take(active) - distances
        # The force on the first atom of each pair points away from the second.
        forces = vectors.take(active, 0) * (-2 * missing / distances)[:, None]
        raw = np.empty(len(self._allowed))
        atoms, molecules = own.take(pairs.first.take(active), 0), between.take(pairs.molecules.take(active), 0)
        ends = np.searchsorted(active, pairs.ends)
        for number, (start, end) in enumerate(pairwise([0, *ends.tolist()])):
            of_body = forces[start:end]
            moment = atoms[start:end].T @ of_body
            raw[6 * number : 6 * number + 3] = -of_body.sum(0)
            raw[6 * number + 3] = moment[2, 1] - moment[1, 2]
            raw[6 * number + 4] = moment[0, 2] - moment[2, 0]
            raw[6 * number + 5] = moment[1, 0] - moment[0, 1]
        raw[-9:] = (molecules.T @ forces).ravel() / 2
        return float(missing.max(initial=0)), self._allowed @ raw

    def _move(self, step: np.ndarray) -> None:
        """Move by a step: for each body a shift and a turn, then a strain of the cell, all as lengths in Å."""
        self.centres += step[:-9].reshape(-1, 6)[:, :3]
        for number, length in enumerate(self._lengths):
            turn = step[6 * number + 3 : 6 * number + 6] / length
            self.atoms[number] = self.atoms[number] @ _rotation(turn)
        strain = step[-9:].reshape(3, 3) / self._scale
        self.centres += self.centres @ strain
        self.lattice = self.lattice + self.lattice @ strain
        self._moved = self._moved + step

    def _images(self) -> list[np.ndarray]:
        """Return the atoms of the images of each body about their centres, (images · n, 3) in Å."""
        return [(atoms @ turns).reshape(-1, 3) for atoms, turns in zip(self.atoms, self._turns_of, strict=True)]

    def _places(self) -> np.ndarray:
        """Return the centres (images, 3) of all images in Å."""
        turned = self.centres[self._source, None] @ self._turns
        return turned[:, 0] + self._translations @ self.lattice

    def _fractional(self, positions: np.ndarray) -> np.ndarray:
        """Return positions (n, 3) in Å as fractions of the cell."""
        return positions @ np.linalg.inv(self.lattice)

    def _between(self, pairs: NearPairs) -> np.ndarray:
        """Return the vectors (m, 3) between the centres of the pairs of molecules, in Å."""
        away = self._places().take(pairs.images, 0)
        away -= self.centres.take(pairs.bodies, 0)
        away += pairs.shifts @ self.lattice
        return away

    def _near_pairs(self) -> NearPairs:
        """Return the pairs of atoms that may be too close, listed anew if atoms may have moved by half of the skin."""
        if self._pairs is None or self._lever * math.sqrt(self._moved @ self._moved) > _SKIN / 2:
            atoms = [images.reshape(-1, len(own), 3) for images, own in zip(self._images(), self.atoms, strict=True)]
            images = Images(self._source, self._fractional(self._places()), atoms)
            centres = self._fractional(self.centres)
            self._pairs = near_pairs(self.lattice, centres, self.atoms, images, self._limits, _SKIN)
            self._moved = np.zeros(len(self._moved))
        return self._pairs


def _rotation(turn: np.ndarray) -> np.ndarray:
    """Return the matrix (3, 3) by which rows are turned about a vector, by its length in radians."""
    x, y, z = turn.tolist()
    angle = math.sqrt(x * x + y * y + z * z)
    first = math.sin(angle) / angle if angle > 1e-9 else 1.0
    second = (1 - math.cos(angle)) / angle**2 if angle > 1e-4 else 0.5
    # 1 + first · C + second · C², with the matrix C of the vector product.
    return np.array(
        [
            [1 - second * (y * y + z * z), second * x * y + first * z, second * x * z - first * y],
            [second * x * y - first * z, 1 - second * (x * x + z * z), second * y * z + first * x],
            [second * x * z + first * y, second * y * z - first * x, 1 - second * (x * x + y * y)],
        ]
    )
