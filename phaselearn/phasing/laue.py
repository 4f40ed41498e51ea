"""The rotations that a crystal's lattice and amplitudes have: its Laue class, as far as the data tell."""

from __future__ import annotations

from functools import cache
from itertools import product

import torch
from torch import Tensor

from phaselearn.crystal.judgement import Observed
from phaselearn.crystal.lattice import metric
from phaselearn.crystal.layout import miller_indices

_METRIC_TOLERANCE = 0.01  # of the product of two cell edges
_LARGEST_R = 0.3  # between |F| of equivalent reflections; noise of 20 % gives 0.23
# Rotations that are only half true, a cubic lattice's of a structure with less, lie 0.2 above the others.
_SPREAD = 0.05
_COMMON = 0.5  # of the observed reflections that an operation must bring onto observed ones
_MOST = 4  # rotations of a crystal that are looked at: as many as generate a group, and one to spare
PAIRS_AT_ONCE = 64  # crystals and their rotations; bounds the memory


@cache
def rotations() -> Tensor:
    """Return (R, 3, 3) the proper rotations of axes but the identity, elements −1, 0, 1: enough for reduced cells."""
    matrices = torch.tensor(list(product((-1, 0, 1), repeat=9))).view(-1, 3, 3)
    a, b, c = matrices.unbind(1)
    determinant = (a * torch.linalg.cross(b, c)).sum(1)
    return matrices[(determinant == 1) & (matrices != torch.eye(3, dtype=torch.long)).any(2).any(1)]


def laue_rotations(observed: Observed, amplitude: Tensor) -> tuple[Tensor, Tensor]:
    """Return (P,) crystals, ascending, and (P,) rotations of their lattices that |F| shows, at most four of each."""
    crystals, operations = _lattice_rotations(observed.lattice).nonzero(as_tuple=True)
    r_factors = []
    for rows, which in zip(crystals.split(PAIRS_AT_ONCE), operations.split(PAIRS_AT_ONCE), strict=True):
        place, common = equivalents(observed.mask[rows], which)
        difference = ((amplitude[rows] - at(amplitude[rows], place)).abs() * common).flatten(1).sum(1)
        enough = common.flatten(1).sum(1) >= _COMMON * observed.mask[rows].flatten(1).sum(1)
        mean = (amplitude[rows] * common).flatten(1).sum(1)
        r_factors.append(torch.where(enough, difference / mean, torch.inf))
    r_factor = torch.cat(r_factors)
    least = torch.full((len(amplitude),), torch.inf, device=amplitude.device)
    least.scatter_reduce_(0, crystals, r_factor, "amin")
    shown = (r_factor <= _LARGEST_R) & (r_factor <= least[crystals] + _SPREAD)
    crystals, operations = crystals[shown], operations[shown]
    few = _earlier(crystals) < _MOST
    return crystals[few], operations[few]


def equivalents(mask: Tensor, operations: Tensor) -> tuple[Tensor, Tensor]:
    """Return the flat places (P, N³) of the equivalents of reflections, and (P, N, N, N) where both are observed."""
    place, inside = _moved(rotations().to(mask.device)[operations], mask.shape[-1])
    return place, mask & inside & at(mask, place)


def at(box: Tensor, place: Tensor) -> Tensor:
    """Read boxes (P, N, N, N) at flat places (P, N³)."""
    return box.flatten(1).gather(1, place).view_as(box)


def _lattice_rotations(lattice: Tensor) -> Tensor:
    """Return (B, R) bool: which rotations bring each lattice (B, 3, 3) onto itself."""
    found = metric(lattice)
    edges = found.diagonal(dim1=1, dim2=2).sqrt()
    turn = rotations().to(found)
    changed = turn @ found[:, None] @ turn.mT
    tolerance = _METRIC_TOLERANCE * edges[:, :, None] * edges[:, None, :]
    return ((changed - found[:, None]).abs() <= tolerance[:, None]).all(-1).all(-1)


def _moved(rotation: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the flat places (P, N³) of the equivalents of reflections, and whether (P, N, N, N) the box has them."""
    # Small whole numbers as floats: a GPU multiplies no matrices of integers.
    index = miller_indices("full", size).to(rotation.device).float()
    hkl = torch.stack(torch.meshgrid(index, index, index, indexing="ij"), -1).view(-1, 3)
    # New axes are rotation @ old axes, and indices transform like the axes.
    moved = torch.einsum("pij,nj->pni", rotation.float(), hkl)
    inside = (moved.abs() * 2 < size).all(-1).view(-1, size, size, size)
    place = (moved % size) @ torch.tensor([size**2, size, 1.0], device=moved.device)
    return place.round().long(), inside


def _earlier(rows: Tensor) -> Tensor:
    """Return how often each of some ascending numbers (P,) stands before its place."""
    return torch.arange(len(rows), device=rows.device) - torch.searchsorted(rows, rows)
