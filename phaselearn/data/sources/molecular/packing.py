"""Packing of rigid molecules: they move and turn, and the cell changes its shape, until none is too close to another.

All molecules of the crystal follow from one or two by the operations of the space group, so that only these move. A
molecule on a special position stays there. The energy is the sum of squares of what is missing of the least distances;
it is lowered by gradient steps of the length of Barzilai & Borwein (IMA J. Numer. Anal. 8, 141, 1988).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from phaselearn.data.sources.molecular.near_pairs import Images, NearPairs, near_pairs
from phaselearn.data.sources.wyckoff import WyckoffPosition

_SKIN = 1.5  # Å; pairs within the least distance and this much more are looked at until atoms have moved by half of it
_DONE = 0.03  # Å, largest overlap that is left; the least distances are raised by as much
_STEPS = 400  # gradient steps, at most
_SETTLING = 25  # gradient steps before the cell grows
_GROWTH = 1.012  # factor of the volume each time it grows
_FASTEST = 0.25  # Å, longest gradient step
_RATES = (0.01, 0.5)  # range of the factor from gradient to step
_FIRST_RATE = 0.05


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
        bodies: the molecules of the asymmetric unit, all with as many atoms.
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
        self.centres = np.array(centres)
        self.atoms = np.stack([body.atoms for body in bodies])
        kinds = np.stack([body.kinds for body in bodies])
        self._limits = least[kinds[:, :, None, None], kinds] + _DONE
        self._group = cartesian(rotations, lattice)
        # The images of all bodies in the cell, one after another.
        counts = [body.site.multiplicity for body in bodies]
        self._source = np.repeat(np.arange(len(bodies)), counts)
        self._rotations = np.concatenate([body.site.rotations for body in bodies])
        self._translations = np.concatenate([body.site.translations for body in bodies])
        self._turns = cartesian(self._rotations, lattice)
        squares = np.square(self.atoms).sum(-1)
        self._radii = np.sqrt(squares.max(1))
        # A turn by one radian counts as a move of this length.
        self._lengths = np.maximum(np.sqrt(squares.mean(1) * 2 / 3), 1.0)[:, None]
        self._turning = np.stack([body.free for body in bodies])
        # Displacements that keep a body on its site.
        self._shifting = cartesian(np.stack([body.site.projection for body in bodies]), lattice)
        self._pairs: NearPairs | None = None

    def pack(self, largest: float) -> Packed | None:
        """Return a packing without overlaps; None if the cell would have to grow beyond a volume in Å³."""
        self._scale = abs(np.linalg.det(self.lattice)) ** (1 / 3)
        step = gradient = None
        settling = _SETTLING
        for _ in range(_STEPS):
            overlap, new = self._gradient()
            if overlap < _DONE:
                return Packed(self.lattice, list(self.centres), list(self.atoms))
            if settling == 0:
                settling = _SETTLING
                self._scale *= _GROWTH ** (1 / 3)
                if self._scale**3 > largest:
                    return None
                self.lattice = self.lattice * _GROWTH ** (1 / 3)
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
        if self._pairs is None or self._pairs.moved() > _SKIN / 2:
            self._pairs = self._near_pairs()
        pairs = self._pairs
        images = self._images()
        between = self._between(pairs)
        vectors = between[pairs.molecules] + images[pairs.second] - self.atoms.reshape(-1, 3)[pairs.first]
        squares = np.einsum("pi,pi->p", vectors, vectors)
        active = np.flatnonzero(squares < pairs.least_squared)
        distances = np.sqrt(squares[active])
        missing = pairs.least[active] - distances
        # The force on the first atom of each pair points away from the second.
        forces = (-2 * missing / distances)[:, None] * vectors[active]
        count = self.atoms.shape[0] * self.atoms.shape[1]
        first = pairs.first[active]
        total = np.stack([np.bincount(first, forces[:, axis], count) for axis in range(3)], axis=1)
        total = total.reshape(self.atoms.shape)
        x, y, z = np.moveaxis(self.atoms, -1, 0)
        fx, fy, fz = np.moveaxis(total, -1, 0)
        torque = np.stack([(y * fz - z * fy).sum(1), (z * fx - x * fz).sum(1), (x * fy - y * fx).sum(1)], axis=1)
        shift = np.einsum("bi,bij->bj", total.sum(1), self._shifting)
        turn = np.einsum("bi,bij->bj", torque, self._turning) / self._lengths
        strain = between[pairs.molecules[active]].T @ forces / 2
        strain = np.einsum("gji,jk,gkl->il", self._group, (strain + strain.T) / 2, self._group) / len(self._group)
        strain -= np.eye(3) * (np.trace(strain) / 3)
        gradient = np.concatenate([-shift.ravel(), -turn.ravel(), strain.ravel() / self._scale])
        return float(missing.max(initial=0)), gradient

    def _move(self, step: np.ndarray) -> None:
        """Shift and turn each body, and strain the cell; all by lengths in Å."""
        shift, turn = step[:-9].reshape(2, -1, 3)
        turn = turn / self._lengths
        strain = step[-9:].reshape(3, 3) / self._scale
        self.centres += shift @ np.linalg.inv(self.lattice)
        for number, vector in enumerate(turn):
            self.atoms[number] = self.atoms[number] @ _rotation(vector)
        strained = self.lattice + self.lattice @ strain
        self.lattice = strained * (self._scale / abs(np.linalg.det(strained)) ** (1 / 3))
        if self._pairs is not None:
            self._pairs.note(shift, turn, strain)

    def _images(self) -> np.ndarray:
        """Return the atoms of all images about their centres, (images · n, 3) in Å."""
        return (self.atoms[self._source] @ self._turns).reshape(-1, 3)

    def _places(self) -> np.ndarray:
        """Return the fractional centres (images, 3) of all images."""
        return np.einsum("kij,kj->ki", self._rotations, self.centres[self._source]) + self._translations

    def _between(self, pairs: NearPairs) -> np.ndarray:
        """Return the vectors (m, 3) between the centres of the pairs of molecules, in Å."""
        return (self._places()[pairs.images] - self.centres[pairs.bodies] + pairs.shifts) @ self.lattice

    def _near_pairs(self) -> NearPairs:
        """Return the pairs of atoms that are to be looked at from now on."""
        images = Images(self._source, self._places(), self._images().reshape(-1, *self.atoms.shape[1:]))
        return near_pairs(self.lattice, self.centres, self.atoms, images, self._limits, _SKIN)


def _rotation(turn: np.ndarray) -> np.ndarray:
    """Return the matrix (3, 3) by which rows are turned about a vector, by its length in radians."""
    x, y, z = turn.tolist()
    angle = math.sqrt(x * x + y * y + z * z)
    first = math.sin(angle) / angle if angle > 1e-9 else 1.0
    second = (1 - math.cos(angle)) / angle**2 if angle > 1e-4 else 0.5
    cross = np.array([[0, z, -y], [-z, 0, x], [y, -x, 0]])
    return np.eye(3) + first * cross + second * (cross @ cross)
