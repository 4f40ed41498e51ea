"""Pairs of atoms of different molecules that may come too close: a list that holds until the molecules have moved."""

from __future__ import annotations

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
        atoms: atoms (k, n, 3) about their centres in Å.
    """

    source: np.ndarray
    centres: np.ndarray
    atoms: np.ndarray


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
    lattice: np.ndarray, centres: np.ndarray, atoms: np.ndarray, images: Images, least: np.ndarray, skin: float
) -> NearPairs:
    """Return the pairs of atoms of different molecules that are within their least distance and a skin.

    Args:
        lattice: vectors (3, 3) in Å, as rows.
        centres: fractional centres (b, 3) of the bodies.
        atoms: atoms (b, n, 3) about their centres in Å.
        images: images of the bodies.
        least: least distances (b, n, b, n) in Å.
        skin: length in Å that is added to the least distances.
    """
    count = atoms.shape[1]
    radii = np.sqrt(np.square(atoms).sum(-1).max(1))
    cutoff = float(least.max()) + skin
    reach = 2 * float(radii.max()) + cutoff
    translations = _translations(lattice, reach)
    parts: list[tuple[np.ndarray, ...]] = []
    found = 0
    for body, centre in enumerate(centres):
        away = images.centres - centre
        moves = translations - np.round(away)[:, None]
        between = (away[:, None] + moves) @ lattice
        near = np.square(between).sum(-1) < np.square(radii[body] + radii[images.source] + cutoff)[:, None]
        itself = int(np.argmax(images.source == body))
        near[itself] &= (moves[itself] != 0).any(1)
        image, move = np.nonzero(near)
        # In single precision, which is twice as fast; the skin is far larger than its error.
        others = (between[image, move][:, None] + images.atoms[image]).astype(np.float32)
        squares = np.square(others).sum(-1)
        molecule, atom = np.nonzero(squares < (radii[body] + cutoff) ** 2)
        own = atoms[body].astype(np.float32)
        distances = squares[molecule, atom][:, None] + np.square(own).sum(1)
        distances -= 2 * others[molecule, atom] @ own.T
        row, one = np.divmod(np.flatnonzero(distances < cutoff**2), count)
        limits = least[body, one, images.source[image[molecule[row]]], atom[row]]
        # Most pairs are of hydrogen, which may come far closer than the cutoff.
        within = distances[row, one] < np.square(limits + skin)
        row, one, limits = row[within], one[within], limits[within]
        molecule, atom = molecule[row], atom[row]
        parts.append(
            (
                molecule + found,
                one + body * count,
                atom + image[molecule] * count,
                limits,
                np.full(len(image), body),
                image,
                moves[image, move],
            )
        )
        found += len(image)
    molecules, first, second, limits, bodies, partners, shifts = map(np.concatenate, zip(*parts, strict=True))
    ends = np.cumsum([len(part[0]) for part in parts])
    return NearPairs(molecules, first, second, limits, bodies, partners, shifts, ends)


def _translations(lattice: np.ndarray, reach: float) -> np.ndarray:
    """Return the lattice translations (t, 3) that may bring a wrapped difference of two points within a distance."""
    most = np.ceil(reach * np.linalg.norm(np.linalg.inv(lattice), axis=0) + 0.5).astype(int)
    return _box(*most.tolist())


@cache
def _box(first: int, second: int, third: int) -> np.ndarray:
    """Return the lattice translations (t, 3) of at most so many steps along each axis."""
    return np.array(list(product(*(range(-most, most + 1) for most in (first, second, third)))), dtype=float)
