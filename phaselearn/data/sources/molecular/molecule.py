"""Molecules with coordinates: the fragments of a plan are joined, doubled by its symmetry, and given their mobility."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from phaselearn.data.sources.molecular.grammar import Plan
from phaselearn.data.sources.molecular.joining import MOST_STRAIN, TORSIONS, Joined, strain
from phaselearn.data.sources.molecular.scaffold import ring_atoms

_CONFORMERS_TRIED = 2  # of a fragment
_LOOSENESS = 0.13  # rise of ln U with each bond away from the rings
_LIBRATION = 0.22  # rise of ln U from the centre to the atoms that are as far out as the mean


@dataclass(frozen=True, eq=False)
class Molecule:
    """A molecule about its centre.

    Attributes:
        numbers: atomic numbers (n,), hydrogen included.
        positions: positions (n, 3) in Å; the centre is at the origin: that of inversion if there is one, on the twofold
            axis z, in the mirror plane at z = 0.
        bonds: bonded atoms (b, 2).
        mobility: mean square displacement (n,) of each atom, relative to that of the stiffest.
    """

    numbers: np.ndarray
    positions: np.ndarray
    bonds: np.ndarray
    mobility: np.ndarray


def build(plan: Plan, draw: np.random.Generator) -> Molecule | None:
    """Return the molecule of a plan in a random conformation, or None where its parts are in each other's way."""
    joined = Joined(plan, draw)
    for number in range(len(plan.nodes)):
        if not any(joined.add(number) for _ in range(_CONFORMERS_TRIED)) and not joined.add_elsewhere(number):
            return None
    middle = joined.open(plan.centre) if plan.centre >= 0 else None
    positions, numbers = joined.atoms()
    placed: np.ndarray | None
    if middle is not None:
        placed = _doubled(positions, numbers, *middle, plan.symmetry, draw)
        numbers = np.concatenate([numbers, numbers])
    elif plan.symmetry == "mirror":
        placed = _flattened(positions, numbers)
    else:
        placed = positions - positions[numbers > 1].mean(0)
    if placed is None:
        return None
    _, pairs = replace(plan, nodes=tuple(joined.nodes)).graph()
    bonds = np.array(pairs, dtype=int).reshape(-1, 2)
    return Molecule(numbers, placed, bonds, _mobility(numbers, placed, pairs))


def _doubled(
    positions: np.ndarray,
    numbers: np.ndarray,
    middle: np.ndarray,
    along: np.ndarray,
    symmetry: str,
    draw: np.random.Generator,
) -> np.ndarray | None:
    """Return a half molecule and its image, joined by a bond, about the middle of this bond; None without room.

    Args:
        positions: positions (n, 3) of the half in Å.
        numbers: atomic numbers (n,).
        middle: middle (3,) of the bond in Å.
        along: direction (3,) of the bond, away from the half.
        symmetry: `inversion` or `twofold`; the twofold axis becomes z.
        draw: random generator.
    """
    centred = positions - middle
    own = int(np.square(centred).sum(1).argmin())
    others = np.arange(len(numbers)) != own
    for _ in range(TORSIONS):
        if symmetry == "twofold":
            across = np.cross(along, draw.normal(size=3))
            across /= np.linalg.norm(across)
            # Rows are the new axes x, y and z in terms of the old ones.
            turn = np.stack([along, np.cross(across, along), across])
            whole = centred @ turn.T
            image = whole * (-1.0, -1.0, 1.0)
        else:
            whole, image = centred, -centred
        if strain(image[None, others], numbers[others], whole[others], numbers[others])[0] < 2 * MOST_STRAIN:
            return np.concatenate([whole, image])
        if symmetry == "inversion":
            break
    return None


def _flattened(positions: np.ndarray, numbers: np.ndarray) -> np.ndarray | None:
    """Return a molecule with its mirror plane at z = 0, exactly symmetric; None if it has none."""
    centred = positions - positions[numbers > 1].mean(0)
    normal = np.linalg.svd(centred[numbers > 1])[2]
    turned = centred @ normal.T
    image = turned * (1.0, 1.0, -1.0)
    distances = np.linalg.norm(turned[:, None] - image, axis=-1)
    distances[numbers[:, None] != numbers] = np.inf
    partner = distances.argmin(1)
    if distances.min(1).max() > 0.2 or (partner[partner] != np.arange(len(partner))).any():
        return None
    return (turned + image[partner]) / 2


def _mobility(numbers: np.ndarray, positions: np.ndarray, bonds: list[tuple[int, int]]) -> np.ndarray:
    """Return how much more each atom moves than the stiffest, (n,): the more, the farther from rings and centre."""
    elements = numbers.tolist()
    near: list[list[int]] = [[] for _ in elements]
    for first, second in bonds:
        near[first].append(second)
        near[second].append(first)
    front = sorted(ring_atoms(elements, bonds)) or [int(np.square(positions).sum(1).argmin())]
    depth = np.full(len(elements), -1)
    step = 0
    while front:
        depth[front] = step
        step += 1
        front = sorted({other for atom in front for other in near[atom] if depth[other] < 0})
    squares = np.square(positions).sum(1)
    exponent = _LOOSENESS * depth + _LIBRATION * np.minimum(squares / squares.mean(), 3)
    return np.exp(exponent - exponent.min())
