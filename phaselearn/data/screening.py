"""Screening of crystals by the same rules for every source."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import spglib
import torch
from torch import Tensor

from phaselearn.crystal.minimum_image import nearer_than
from phaselearn.crystal.scattering import Scattering, unknown_elements
from phaselearn.data.admission import refusal
from phaselearn.data.pair_maps import pad_atoms
from phaselearn.data.structures import Crystal, Unusable

SHORTEST_DISTANCE = 0.5  # Å
_ATOM_PAIRS_AT_ONCE = 1 << 21


def screen(
    crystals: Sequence[Crystal],
    longest_edge: float,
    shortest_distance: float = SHORTEST_DISTANCE,
    scattering: str = "atomic_number",
) -> list[str | None]:
    """Return for each crystal why it is rejected, or None.

    Args:
        crystals: any number of crystals.
        longest_edge: longest cell edge that is allowed, in Å.
        shortest_distance: shortest distance of two atoms that is allowed, periodic images included, in Å.
        scattering: a name in `SCATTERING`; how all elements scatter must be known.
    """
    reasons = [
        _reason(crystal, longest_edge, shortest_distance) or _not_known(crystal, scattering) for crystal in crystals
    ]
    candidates: dict[int, Crystal] = {}
    for place, crystal in enumerate(crystals):
        if reasons[place] is not None:
            continue
        try:
            thin = _reach(crystal.lattice, shortest_distance).max() >= 0.5
            candidates[place] = _reduced(crystal, shortest_distance) if thin else crystal
        except Unusable as error:
            reasons[place] = str(error)
    for block in _blocks({place: len(crystal.numbers) for place, crystal in candidates.items()}):
        batch = pad_atoms([candidates[place] for place in block])
        for place, near in zip(block, overlaps(*batch, shortest_distance).tolist(), strict=True):
            if near:
                reasons[place] = _too_close(shortest_distance)
    return reasons


def _blocks(sizes: Mapping[int, int]) -> Iterator[list[int]]:
    """Yield the places of crystals that are processed together, with little padding and not too many pairs of atoms.

    Args:
        sizes: {place: atoms in the cell}.
    """
    order = sorted(sizes, key=lambda place: sizes[place], reverse=True)
    while order:
        most = sizes[order[0]]
        fit = max(1, _ATOM_PAIRS_AT_ONCE // most**2)
        block = [place for place in order[:fit] if 2 * sizes[place] > most]
        yield block
        del order[: len(block)]


def _reach(lattice: np.ndarray, shortest: float) -> np.ndarray:
    """Return the largest fractional components (3,) that a vector of length `shortest` can have: r·|a*|."""
    return shortest * np.linalg.norm(np.linalg.inv(lattice), axis=0)


def _reduced(crystal: Crystal, shortest_distance: float) -> Crystal:
    """Return the crystal on its Niggli cell, in which the nearest images are among those that are searched.

    Raises:
        Unusable: no such cell is found, or one of its edges is too short: an edge is the distance of an atom from its
            own image.
    """
    lattice = spglib.niggli_reduce(crystal.lattice)
    if lattice is None:
        raise Unusable("degenerate cell (no reduced cell found)")
    if np.linalg.norm(lattice, axis=1).min() < shortest_distance:
        raise Unusable(_too_close(shortest_distance))
    positions = crystal.positions @ crystal.lattice @ np.linalg.inv(lattice)
    return replace(crystal, lattice=lattice, positions=positions)


def _too_close(shortest_distance: float) -> str:
    return f"atoms closer than {shortest_distance:g} Å"


def _reason(crystal: Crystal, longest_edge: float, shortest_distance: float) -> str | None:
    """Return why a crystal is rejected, whatever the distances between its atoms; None if it is not."""
    refused = refusal(crystal.lattice, crystal.numbers, crystal.positions)
    if refused is not None:
        return refused
    longest = math.sqrt(np.square(crystal.lattice).sum(1).max())
    if longest > longest_edge:
        return f"cell edge longer than {longest_edge:g} Å"
    # No packing of spheres fills more than π/√18 of space: so many atoms cannot all be that far apart.
    if len(crystal.numbers) * shortest_distance**3 > math.sqrt(2) * abs(np.linalg.det(crystal.lattice)):
        return _too_close(shortest_distance)
    return None


def _not_known(crystal: Crystal, scattering: str) -> str | None:
    numbers = torch.from_numpy(np.asarray(crystal.numbers, dtype=np.int64))
    unknown = unknown_elements(numbers, Scattering(scattering).probes(numbers))
    return f"no scattering length for neutrons is known ({', '.join(unknown)})" if unknown else None


def overlaps(lattice: Tensor, numbers: Tensor, positions: Tensor, shortest: float) -> Tensor:
    """Return (B,) bool: whether some two atoms lie closer than `shortest`.

    Each cell must be reduced, or thicker than 2 · `shortest` between opposite faces, so that the nearest images are
    found. An atom's own images are not looked at.

    Args:
        lattice: lattices (B, 3, 3) in Å.
        numbers: atomic numbers (B, A), 0 for padding.
        positions: fractional positions (B, A, 3).
        shortest: distance in Å.
    """
    lattice, positions = lattice.float(), positions.float()
    present = numbers > 0
    atoms = numbers.shape[1]
    rows = max(1, _ATOM_PAIRS_AT_ONCE // (len(lattice) * atoms))
    result = torch.zeros(len(lattice), dtype=torch.bool)
    for start in range(0, atoms, rows):
        first = slice(start, start + rows)
        near = nearer_than(positions[:, first], positions, lattice, shortest)
        itself = torch.eye(atoms, dtype=torch.bool)[first]
        pairs = present[:, first, None] & present[:, None, :] & ~itself
        result |= (near & pairs).flatten(1).any(1)
    return result
