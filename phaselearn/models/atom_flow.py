"""Straight ways from random positions to the atoms of a crystal, in any of the equivalent descriptions of it.

A network that learns the velocities along such ways carries random positions to crystals: flow matching (Lipman et al.,
ICLR 2023), on a torus as for crystals by Miller et al. (FlowMM, ICML 2024). |F| leaves origin and hand open, and atoms
of one element have no names. So each way leads to an equivalent of the crystal that is near its beginning.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from phaselearn.crystal.minimum_image import minimum_image, minimum_image_distance
from phaselearn.crystal.rows import Rows
from phaselearn.models.atom_network import centred

_ORIGINS = 6  # origins that are tried, with both hands
_OTHER_ELEMENT = 1e3  # Å, added to the distance of atoms of different elements


@dataclass(frozen=True)
class Ways(Rows):
    """Straight ways of the atoms of B crystals.

    Attributes:
        start: (B, A, 3) fractional.
        shift: (B, A, 3) fractional, the way itself, whose mean over the atoms is zero.
    """

    start: Tensor
    shift: Tensor

    def at(self, time: Tensor) -> Tensor:
        """Return positions (B, A, 3) after shares (B,) of the ways."""
        return self.start + time[:, None, None] * self.shift


@torch.no_grad()
def ways_to(true: Tensor, numbers: Tensor, lattice: Tensor, start: Tensor) -> Ways:
    """Return ways from `start` to an equivalent of the crystal that is near.

    Args:
        true: (B, A, 3) fractional positions of the atoms.
        numbers: (B, A) atomic numbers, 0 for padding.
        lattice: (B, 3, 3) in Å.
        start: (B, A, 3) fractional.
    """
    crystals, atoms = numbers.shape
    present = numbers > 0
    other = (numbers[:, :, None] != numbers[:, None]) * _OTHER_ELEMENT
    rows = torch.arange(crystals)[:, None]
    count = present.sum(1)
    best = torch.full((crystals,), torch.inf)
    nearest, cost = true, other.to(true)
    for number in range(2 * _ORIGINS):
        hand = 1.0 if number % 2 else -1.0
        # The origin at which one atom is where one of its element begins.
        anchor = (number // 2) % count.clamp_min(1)
        onto = other[rows[:, 0], anchor].argmin(1)
        origin = start[rows[:, 0], onto] - hand * true[rows[:, 0], anchor]
        moved = hand * true + origin[:, None]
        distance = minimum_image_distance(start, moved, lattice) + other
        spread = (distance.amin(2) * present).sum(1)
        better = spread < best
        best = torch.minimum(best, spread)
        nearest = torch.where(better[:, None, None], moved, nearest)
        cost = torch.where(better[:, None, None], distance, cost)
    order = torch.arange(atoms).repeat(crystals, 1)
    for row, size in enumerate(count.tolist()):
        order[row, :size] = torch.from_numpy(linear_sum_assignment(cost[row, :size, :size].square().numpy())[1])
    aim = nearest.gather(1, order[..., None].expand_as(nearest))
    shift, _ = minimum_image((aim - start)[:, :, None], lattice)
    return Ways(start, centred(shift[:, :, 0], present[..., None]))
