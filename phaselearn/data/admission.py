"""Bounds on a cell, checked before any library sees its numbers.

spglib crashes on NaN, hangs on 1e308, and takes minutes over thousands of atoms of one element.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from phaselearn.crystal.choices import LARGEST_ATOMIC_NUMBER
from phaselearn.data.structures import Unusable

EDGES = (0.1, 1000.0)  # Å: shortest and longest
FLATTEST = 1e-3  # least volume of a cell, as a share of the box of its edges
FURTHEST = 1e4  # unit cells from the origin; further away a position has lost its decimals
MOST_ATOMS = 5000  # in the cell
# Number of atoms times that of the rarest element, which decides how long spglib takes: some seconds up to here.
MOST_PAIRS = 2_000_000


def refusal(lattice: np.ndarray, numbers: np.ndarray, positions: np.ndarray) -> str | None:
    """Return why a cell is rejected; None if it is not.

    Args:
        lattice: cell vectors (3, 3) as rows, in Å.
        numbers: atomic numbers (n,).
        positions: fractional positions (n, 3).
    """
    if len(numbers) == 0:
        return "no atoms"
    if len(numbers) > MOST_ATOMS:
        return f"more than {MOST_ATOMS:,} atoms ({len(numbers):,})"
    if not np.isfinite(positions).all():
        return "not finite (positions)"
    reason = _lattice_refusal(lattice)
    if reason is not None:
        return reason
    if min(numbers) < 1 or max(numbers) > LARGEST_ATOMIC_NUMBER:
        return "unknown element"
    furthest = np.abs(positions).max()
    if furthest > FURTHEST:
        return f"position more than {FURTHEST:,.0f} cells from the origin ({furthest:.6g})"
    if len(numbers) ** 2 > MOST_PAIRS:
        rarest = int(np.unique(numbers, return_counts=True)[1].min())
        if rarest * len(numbers) > MOST_PAIRS:
            return (
                f"more than {MOST_PAIRS:,} pairs with an atom of the rarest element "
                f"({rarest:,} of {len(numbers):,} atoms)"
            )
    return None


def check_cell(lattice: np.ndarray, numbers: np.ndarray, positions: np.ndarray) -> None:
    """Reject a cell for the reasons of `refusal`.

    Raises:
        Unusable: the cell is rejected; the message is the reason.
    """
    reason = refusal(lattice, numbers, positions)
    if reason is not None:
        raise Unusable(reason)


def check_lattice(lattice: np.ndarray) -> None:
    """Reject a lattice (3, 3), before its inverse is used to work out positions.

    Raises:
        Unusable: it is not finite, an edge is too short or too long, or the cell is too flat.
    """
    reason = _lattice_refusal(lattice)
    if reason is not None:
        raise Unusable(reason)


def lattice_of(lengths: Sequence[float], angles: Sequence[float]) -> np.ndarray:
    """Return the cell vectors (3, 3) as rows, in Å: a along x, b in the plane of x and y.

    Args:
        lengths: edges a, b, c in Å.
        angles: cell angles α, β, γ in degrees.

    Raises:
        Unusable: no cell has these edges and angles, or `check_lattice` rejects it.
    """
    if not np.isfinite([*lengths, *angles]).all():
        raise Unusable("not finite (cell)")
    if min(lengths) < EDGES[0] or max(lengths) > EDGES[1]:
        raise Unusable(_edge_outside(next(edge for edge in lengths if not EDGES[0] <= edge <= EDGES[1])))
    for angle in angles:
        if not 0 < angle < 180:
            raise Unusable(f"cell angle outside 0° to 180° ({angle:.6g}°)")
    cosines = np.cos(np.deg2rad(angles))
    # The square of the volume of the box of edges 1 (International Tables D, 1.1).
    square = 1 + 2 * cosines.prod() - np.square(cosines).sum()
    if square <= FLATTEST**2:
        told = ", ".join(f"{angle:.6g}°" for angle in angles)
        raise Unusable(f"cell angles that do not fit together ({told})")
    sine = math.sin(math.radians(angles[2]))
    directions = np.array(
        [
            [1, 0, 0],
            [cosines[2], sine, 0],
            [cosines[1], (cosines[0] - cosines[1] * cosines[2]) / sine, math.sqrt(square) / sine],
        ]
    )
    return directions * np.array(lengths)[:, None]


def _lattice_refusal(lattice: np.ndarray) -> str | None:
    if not np.isfinite(lattice).all():
        return "not finite (lattice)"
    # Not by squares, which are infinite above 1e154.
    edges = np.array([math.hypot(*vector) for vector in lattice.tolist()])
    for edge in edges:
        if not EDGES[0] <= edge <= EDGES[1]:
            return _edge_outside(edge)
    share = abs(np.linalg.det(lattice / edges[:, None]))
    if share < FLATTEST:
        return f"degenerate cell (its volume is {share:.2g} of the box of its edges, at least {FLATTEST:g} is needed)"
    return None


def _edge_outside(edge: float) -> str:
    return f"cell edge outside {EDGES[0]:g} to {EDGES[1]:g} Å ({edge:.6g} Å)"
