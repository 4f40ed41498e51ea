"""Which crystals can be used: the same rules for every source."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import spglib
import torch
from torch import Tensor

from phaselearn.data.admission import refusal
from phaselearn.data.pairs import pad_atoms
from phaselearn.data.structures import Crystal, Unusable

SHORTEST_DISTANCE = 0.5  # Å
_ATOM_PAIRS_AT_ONCE = 1 << 21


def screen(
    crystals: Sequence[Crystal], longest_edge: float, shortest_distance: float = SHORTEST_DISTANCE
) -> list[str | None]:
    """Return for each crystal why it cannot be used, or None.

    Args:
        crystals: any number.
        longest_edge: longest cell edge in Å.
        shortest_distance: closest that two atoms may come, periodic images included, in Å.
    """
    reasons = [_reason(crystal, longest_edge, shortest_distance) for crystal in crystals]
    plain: dict[int, Crystal] = {}
    reduced: dict[int, Crystal] = {}
    for place, crystal in enumerate(crystals):
        if reasons[place] is not None:
            continue
        if _reach(crystal.lattice, shortest_distance).max() < 0.5:
            plain[place] = crystal
        else:
            try:
                reduced[place] = _reduced(crystal, shortest_distance)
            except Unusable as error:
                reasons[place] = str(error)
    # Thin cells need more images than others, so they go by themselves.
    for group in (plain, reduced):
        places, candidates = list(group), list(group.values())
        for block in _blocks([len(crystal.numbers) for crystal in candidates]):
            batch = pad_atoms([candidates[entry] for entry in block])
            for entry, near in zip(block, overlaps(*batch, shortest_distance).tolist(), strict=True):
                if near:
                    reasons[places[entry]] = _too_close(shortest_distance)
    return reasons


def _blocks(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Yield the places of crystals that are worked on together: little padding, and not too many pairs of atoms."""
    order = sorted(range(len(sizes)), key=lambda place: sizes[place], reverse=True)
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
    """Return the crystal on its Niggli cell, whose planes are as far apart as any cell's.

    Raises:
        Unusable: there is none, or an edge of it, the distance of an atom from its image, is too short.
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
    """Return why a crystal cannot be used, distances between its atoms aside."""
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


def overlaps(lattice: Tensor, numbers: Tensor, positions: Tensor, shortest: float) -> Tensor:
    """Return (B,) bool: some two atoms, or an atom and its own image, lie closer than `shortest` Å.

    Args:
        lattice: (B, 3, 3) in Å.
        numbers: (B, A), 0 for padding.
        positions: (B, A, 3) fractional.
        shortest: in Å.
    """
    # A vector of length r has fractional components of at most r·|a*|. Where that is below ½ only the image
    # nearest in fractional coordinates can be so close; thinner cells need their further images too.
    reach = shortest * torch.linalg.inv(lattice).norm(dim=-2)
    images = [
        torch.arange(-int(steps), int(steps) + 1)
        for steps in torch.where(reach < 0.5, 0, torch.ceil(reach + 0.5)).amax(0)
    ]
    lattice, positions = lattice.float(), positions.float()
    present = numbers > 0
    atoms = numbers.shape[1]
    rows = max(1, _ATOM_PAIRS_AT_ONCE // (len(lattice) * atoms))
    result = torch.zeros(len(lattice), dtype=torch.bool)
    for start in range(0, atoms, rows):
        first = slice(start, start + rows)
        difference = positions[:, first, None, :] - positions[:, None, :, :]
        difference -= difference.round()
        vectors = difference.flatten(1, 2) @ lattice
        both = present[:, first, None] & present[:, None, :]
        itself = torch.eye(atoms, dtype=torch.bool)[first]
        for image in product(*(steps.tolist() for steps in images)):
            shift = torch.tensor(image, dtype=lattice.dtype) @ lattice
            near = (vectors + shift[:, None, :]).square().sum(-1) < shortest**2
            pairs = both & ~itself if image == (0, 0, 0) else both
            result |= (near.unflatten(1, both.shape[1:]) & pairs).flatten(1).any(1)
    return result
