"""The way of trial atoms to the nearest equivalent of a crystal, which is what the network on atoms learns.

|F| leaves origin and hand open, and atoms of one element have no names.
"""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from phaselearn.crystal.minimum_image import minimum_image, minimum_image_distance
from phaselearn.models.atom_network import centred

_ORIGINS = 4  # origins that are tried, with both hands
_OTHER_ELEMENT = 1e3  # Å, added to the distance of atoms of different elements


@torch.no_grad()
def way_to(true: Tensor, numbers: Tensor, lattice: Tensor, position: Tensor) -> Tensor:
    """Return the moves (B, A, 3), fractional, from trial positions to an equivalent of the crystal that is near.

    The origins at which an atom is where one of its element is now are tried, a few of them, with both hands; then the
    atoms of each element are assigned so that the sum of squares of their moves is least. The mean over the atoms of a
    crystal, a shift of the origin, is taken off.

    Args:
        true: (B, A, 3) fractional positions of the atoms.
        numbers: (B, A) atomic numbers, 0 for padding.
        lattice: (B, 3, 3) in Å.
        position: (B, A, 3) fractional, where the atoms are now.
    """
    crystals, atoms = numbers.shape
    present = numbers > 0
    other = (numbers[:, :, None] != numbers[:, None]) * _OTHER_ELEMENT
    rows = torch.arange(crystals, device=numbers.device)
    count = present.sum(1)
    best = torch.full((crystals,), torch.inf, device=numbers.device)
    nearest, cost = true, other.to(true)
    for number in range(2 * _ORIGINS):
        hand = 1.0 if number % 2 else -1.0
        anchor = (number // 2) % count.clamp_min(1)
        onto = other[rows, anchor].argmin(1)
        moved = hand * true + (position[rows, onto] - hand * true[rows, anchor])[:, None]
        distance = minimum_image_distance(position, moved, lattice) + other
        spread = (distance.amin(2) * present).sum(1)
        better = spread < best
        best = torch.minimum(best, spread)
        nearest = torch.where(better[:, None, None], moved, nearest)
        cost = torch.where(better[:, None, None], distance, cost)
    order = torch.arange(atoms).repeat(crystals, 1)
    square = cost.square().cpu().numpy()
    for row, size in enumerate(count.tolist()):
        order[row, :size] = torch.from_numpy(linear_sum_assignment(square[row, :size, :size])[1])
    aim = nearest.gather(1, order.to(numbers.device)[..., None].expand_as(nearest))
    move, _ = minimum_image((aim - position)[:, :, None], lattice)
    return centred(move[:, :, 0], present[..., None])
