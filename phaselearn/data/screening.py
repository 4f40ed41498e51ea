"""Which crystals can be used: the same rules for every source."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from torch import Tensor

from phaselearn.crystal.scattering import LARGEST_ATOMIC_NUMBER
from phaselearn.data.pairs import pad_atoms
from phaselearn.data.structures import Crystal

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
    reasons = [_reason(crystal, longest_edge) for crystal in crystals]
    sound = [place for place, reason in enumerate(reasons) if reason is None]
    sound.sort(key=lambda place: len(crystals[place].numbers))
    while sound:
        most = len(crystals[sound[-1]].numbers)
        chosen = sound[-max(1, _ATOM_PAIRS_AT_ONCE // most**2) :]
        del sound[-len(chosen) :]
        lattice, numbers, positions = pad_atoms([crystals[place] for place in chosen])
        for place, near in zip(chosen, overlaps(lattice, numbers, positions, shortest_distance).tolist(), strict=True):
            if near:
                reasons[place] = f"atoms closer than {shortest_distance} Å"
    return reasons


def _reason(crystal: Crystal, longest_edge: float) -> str | None:
    if len(crystal.numbers) == 0:
        return "no atoms"
    if not (np.isfinite(crystal.lattice).all() and np.isfinite(crystal.positions).all()):
        return "not finite"
    if crystal.numbers.min() < 1 or crystal.numbers.max() > LARGEST_ATOMIC_NUMBER:
        return "unknown element"
    edges = np.linalg.norm(crystal.lattice, axis=1)
    if abs(np.linalg.det(crystal.lattice)) < 1e-3 * edges.prod() or edges.min() <= 0:
        return "degenerate cell"
    if edges.max() > longest_edge:
        return f"cell edge longer than {longest_edge:g} Å"
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
    difference = positions[:, :, None, :] - positions[:, None, :, :]
    difference -= difference.round()
    vectors = difference.flatten(1, 2) @ lattice
    present = numbers > 0
    both = present[:, :, None] & present[:, None, :]
    itself = torch.eye(numbers.shape[1], dtype=torch.bool)
    result = torch.zeros(len(lattice), dtype=torch.bool)
    for image in product(*(steps.tolist() for steps in images)):
        shift = torch.tensor(image, dtype=lattice.dtype) @ lattice
        near = ((vectors + shift[:, None, :]).square().sum(-1) < shortest**2).unflatten(1, both.shape[1:])
        pairs = both & ~itself if image == (0, 0, 0) else both
        result |= (near & pairs).flatten(1).any(1)
    return result
