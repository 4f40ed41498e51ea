"""Wyckoff positions of the 230 space groups, worked out from gemmi's operations of the reference settings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

import gemmi
import numpy as np

_EXACT = 1e-6
# Rows are the primitive vectors in terms of the conventional ones.
_PRIMITIVE = {
    "P": np.eye(3),
    "A": np.array([[1, 0, 0], [0, 0.5, -0.5], [0, 0.5, 0.5]]),
    "C": np.array([[0.5, -0.5, 0], [0.5, 0.5, 0], [0, 0, 1]]),
    "I": np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]]),
    "F": np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]),
    "R": np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3,
}
_SHIFTS = np.array(list(product((-2, -1, 0, 1, 2), repeat=3)), dtype=float)
# Without simple rational relations, so that a point with these coordinates is on no special position by accident.
_GENERIC = np.array([0.1237, 0.3719, 0.2411])


@dataclass(frozen=True, eq=False)
class WyckoffPosition:
    """A set of equivalent points of a space group, in fractions of its primitive cell.

    Attributes:
        projection: matrix P (3, 3); P u + p moves any point u onto the position.
        offset: vector p (3,).
        rotations: rotations (m, 3, 3) that, with the translations, lead from a point to its m images in the primitive
            cell; the identity is the first.
        translations: translations (m, 3).
        freedom: number of free coordinates, 0 to 3.
    """

    projection: np.ndarray
    offset: np.ndarray
    rotations: np.ndarray
    translations: np.ndarray
    freedom: int

    @property
    def multiplicity(self) -> int:
        """The number of points in the primitive cell."""
        return len(self.rotations)


def primitive_vectors(number: int) -> np.ndarray:
    """Return the vectors (3, 3) of a primitive cell, as rows, in terms of those of the conventional cell."""
    return _PRIMITIVE[gemmi.find_spacegroup_by_number(number).centring_type()]


@cache
def wyckoff_positions(number: int) -> tuple[WyckoffPosition, ...]:
    """Return the Wyckoff positions of a space group, the general one first.

    A special position is where the fixed points of some operations meet; sets of points that an operation maps onto
    each other are one position.

    Args:
        number: number of the space group, 1 to 230.
    """
    rotations, translations = _operations(number)
    projections, offsets = _fixed_sets(rotations, translations)
    found = [_position(rotations, translations, _GENERIC)]
    level = found
    while level:
        points = [_meetings(position, projections, offsets) for position in level]
        level = _distinct(np.concatenate(points), rotations, translations, found)
        found = [*found, *level]
    return tuple(found)


def _operations(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rotations (g, 3, 3) and translations (g, 3) on the primitive cell, the identity first."""
    group = gemmi.find_spacegroup_by_number(number)
    operations = list(group.operations().sym_ops)
    unit = gemmi.Op.DEN
    to_primitive = np.linalg.inv(primitive_vectors(number)).T
    rotations = np.array([operation.rot for operation in operations]) / unit
    translations = np.array([operation.tran for operation in operations]) / unit
    return np.round(to_primitive @ rotations @ np.linalg.inv(to_primitive)), translations @ to_primitive.T


def _fixed_sets(rotations: np.ndarray, translations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the planes, lines and points that some operation leaves in place, near the cell.

    Returns:
        Projections P (n, 3, 3) and offsets c (n, 3): x is on the set if (1 − P) x = c.
    """
    projections, offsets = [], []
    for rotation, translation in zip(rotations[1:], translations[1:], strict=True):
        powers = [np.eye(3)]
        while not np.array_equal(following := powers[-1] @ rotation, powers[0]):
            powers.append(following)
        order = len(powers)
        projection = np.sum(powers, axis=0) / order
        moves = translation + _SHIFTS
        # An operation whose translation has a part along the axis or plane is a screw or a glide, which fixes nothing.
        moves = moves[np.abs(moves @ projection.T).max(1) < _EXACT]
        centre = np.sum([(order - 1 - power) * matrix for power, matrix in enumerate(powers)], axis=0) / order
        fixed = moves @ (centre - projection @ centre).T
        projections.append(np.broadcast_to(projection, (len(fixed), 3, 3)))
        offsets.append(fixed)
    if not projections:
        return np.empty((0, 3, 3)), np.empty((0, 3))
    return _unique_sets(np.concatenate(projections), np.concatenate(offsets))


def _meetings(position: WyckoffPosition, projections: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return a generic point (k, 3) of each place where a position meets fixed sets without lying within them."""
    condition = np.eye(3) - projections
    matrix = condition @ position.projection
    inverse = np.linalg.pinv(matrix, rcond=1e-4)
    wanted = offsets - condition @ position.offset
    solution = np.einsum("nij,nj->ni", inverse, wanted)
    residual = np.einsum("nij,nj->ni", matrix, solution) - wanted
    meets = (np.abs(residual).max(1) < 1e-5) & (np.abs(matrix).max((1, 2)) > _EXACT)
    # The part of any vector that the matrix takes to zero keeps the point on both.
    free = _GENERIC - (inverse[meets] @ matrix[meets]) @ _GENERIC
    return (solution[meets] + free) @ position.projection.T + position.offset


def _distinct(
    points: np.ndarray, rotations: np.ndarray, translations: np.ndarray, known: list[WyckoffPosition]
) -> list[WyckoffPosition]:
    """Return the positions of some points, each once, without those that are known."""
    points = np.unique(np.round(points - np.floor(points + _EXACT), 7), axis=0)
    images = np.einsum("gij,pj->pgi", rotations, points) + translations
    away = images - points[:, None]
    stays = np.abs(away - np.round(away)).max(2) < 1e-5
    freedom = np.round(np.einsum("pg,gii->p", stays, rotations) / stays.sum(1)).astype(int)
    new: list[WyckoffPosition] = []
    for count in range(3):
        same = images[freedom == count]
        for position in known:
            if position.freedom == count:
                same = same[~_lie_on(same, position)]
        while len(same):
            new.append(_position(rotations, translations, same[0, 0]))
            same = same[~_lie_on(same, new[-1])]
    return new


def _position(rotations: np.ndarray, translations: np.ndarray, point: np.ndarray) -> WyckoffPosition:
    """Return the position that a point is on."""
    images = point @ rotations.mT + translations
    away = images - point
    stays = np.abs(away - np.round(away)).max(1) < 1e-5
    projection = rotations[stays].mean(0)
    offset = (translations[stays] - np.round(away[stays])).mean(0)
    between = images[:, None] - images
    same = np.abs(between - np.round(between)).max(2) < 1e-5
    first = same.argmax(1) == np.arange(len(images))
    return WyckoffPosition(
        projection, offset, rotations[first], translations[first], freedom=round(float(np.trace(projection)))
    )


def _lie_on(images: np.ndarray, position: WyckoffPosition) -> np.ndarray:
    """Return whether one of the images (k, g, 3) of each point is on a position, up to a lattice vector, (k,) bool."""
    # x is on the set where (1 − P) x is the offset.
    off = np.eye(3) - position.projection
    residual = images @ off.T - position.offset
    shifts = np.unique(np.round(_SHIFTS @ off.T, 6) + 0.0, axis=0)
    return (np.abs(residual[:, :, None] - shifts).max(3) < 1e-5).any((1, 2))


def _unique_sets(projections: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    everything = np.concatenate([projections.reshape(-1, 9), offsets], axis=1)
    everything = np.unique(np.round(everything, 6) + 0.0, axis=0)
    return everything[:, :9].reshape(-1, 3, 3), everything[:, 9:]
