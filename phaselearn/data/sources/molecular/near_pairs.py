"""Pairs of atoms of different molecules that may come too close: a list that holds until the molecules have moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product

import numpy as np


@dataclass(frozen=True, eq=False)
class Images:
    """The images of all bodies in the cell, one after another.

    Attributes:
        source: body (k,) of each image.
        centres: fractional centres (k, 3).
        atoms: positions (images, n, 3) of the atoms of the images of each body, about their centres in Å.
    """

    source: np.ndarray
    centres: np.ndarray
    atoms: Sequence[np.ndarray]


@dataclass(eq=False)
class NearPairs:
    """Pairs of atoms, and the pairs of molecules to which they belong.

    Attributes:
        molecules: the pair of molecules (p,) of each pair of atoms.
        first: atom (p,) among those of the bodies.
        second: atom (p,) among those of the images.
        least: least distance (p,) in Å.
        least_squared: its square (p,).
        bodies: body (m,) of each pair of molecules.
        images: image (m,) of each.
        shifts: lattice translation (m, 3) of the image.
        ends: ends (b,) of the pairs of each body.
    """

    molecules: np.ndarray
    first: np.ndarray
    second: np.ndarray
    least: np.ndarray
    least_squared: np.ndarray = field(init=False)
    bodies: np.ndarray
    images: np.ndarray
    shifts: np.ndarray
    ends: np.ndarray

    def __post_init__(self) -> None:
        self.least_squared = np.square(self.least)


def near_pairs(
    lattice: np.ndarray,
    centres: np.ndarray,
    atoms: Sequence[np.ndarray],
    images: Images,
    least: Sequence[Sequence[np.ndarray]],
    skin: float,
) -> NearPairs:
    """Return the pairs of atoms of different molecules that are within their least distance and a skin.

    Args:
        lattice: vectors (3, 3) in Å, as rows.
        centres: fractional centres (b, 3) of the bodies.
        atoms: atoms (n, 3) of each body about its centre in Å.
        images: images of the bodies.
        least: least distances (n, m) in Å of the atoms of each body from those of each body.
        skin: length in Å that is added to the least distances.
    """
    radii = np.array([math.sqrt(np.square(each).sum(1).max()) for each in atoms])
    cutoff = max(float(limits.max()) for row in least for limits in row) + skin
    translations = _translations(lattice, 2 * float(radii.max()) + cutoff)
    parts: list[tuple[np.ndarray, ...]] = []
    ends = []
    found = listed = own_start = 0
    for body, own in enumerate(atoms):
        image_start = start = 0
        for other, of_other in enumerate(images.atoms):
            away = images.centres[start : start + len(of_other)] - centres[body]
            moves = translations - np.round(away)[:, None]
            between = (away[:, None] + moves) @ lattice
            near = np.square(between).sum(-1) < (radii[body] + radii[other] + cutoff) ** 2
            if other == body:
                near[0] &= (moves[0] != 0).any(1)  # the first image is the body itself
            image, move = np.nonzero(near)
            molecule, one, atom, limits = _near_atoms(
                own, between[image, move][:, None] + of_other[image], least[body][other], skin
            )
            parts.append(
                (
                    molecule + found,
                    one + own_start,
                    atom + image[molecule] * of_other.shape[1] + image_start,
                    limits,
                    np.full(len(image), body),
                    image + start,
                    moves[image, move],
                )
            )
            found += len(image)
            listed += len(molecule)
            start += len(of_other)
            image_start += of_other.shape[0] * of_other.shape[1]
        own_start += len(own)
        ends.append(listed)
    molecules, first, second, limits, bodies, partners, shifts = map(np.concatenate, zip(*parts, strict=True))
    return NearPairs(molecules, first, second, limits, bodies, partners, shifts, np.array(ends))


def _near_atoms(
    own: np.ndarray, others: np.ndarray, least: np.ndarray, skin: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs of atoms of a body and of molecules (k, m, 3) that are within their least distance and a skin.

    Returns:
        Molecule (p,), own atom (p,), atom of the molecule (p,) and least distance (p,) of each pair.
    """
    # In single precision, which is twice as fast; the skin is far larger than its error.
    own, others = own.astype(np.float32), others.astype(np.float32)
    reach = float(least.max()) + skin
    own_squares, squares = np.square(own).sum(1), np.square(others).sum(-1)
    molecule, atom = np.nonzero(squares < (math.sqrt(own_squares.max()) + reach) ** 2)
    distances = squares[molecule, atom][:, None] + own_squares
    distances -= 2 * others[molecule, atom] @ own.T
    row, first = np.divmod(np.flatnonzero(distances < reach**2), len(own))
    limits = least[first, atom[row]]
    # Most pairs are of hydrogen, which may come far closer than others.
    within = distances[row, first] < np.square(limits + skin)
    row = row[within]
    return molecule[row], first[within], atom[row], limits[within]


def _translations(lattice: np.ndarray, reach: float) -> np.ndarray:
    """Return the lattice translations (t, 3) that may bring a wrapped difference of two points within a distance."""
    most = np.ceil(reach * np.linalg.norm(np.linalg.inv(lattice), axis=0) + 0.5).astype(int)
    return _box(*most.tolist())


@cache
def _box(first: int, second: int, third: int) -> np.ndarray:
    """Return the lattice translations (t, 3) of at most so many steps along each axis."""
    return np.array(list(product(*(range(-most, most + 1) for most in (first, second, third)))), dtype=float)
