"""Whether a map has the symmetry that its amplitudes show: phases are found in P1, so it cannot be there by itself."""

from __future__ import annotations

from functools import cache
from itertools import product

import torch
from torch import Tensor

from phaselearn.crystal.judgement import Observed, with_phases_of
from phaselearn.crystal.lattice import metric
from phaselearn.crystal.layout import miller_indices
from phaselearn.phasing.figures_of_merit import likeness
from phaselearn.phasing.measurement import resized

_METRIC_TOLERANCE = 0.01  # of the product of two cell edges
_LARGEST_R = 0.3  # between |F| of equivalent reflections; noise of 20 % gives 0.23, different reflections 0.5 and more
_COMMON = 0.5  # of the observed reflections that an operation must bring onto observed ones
_MOST = 4  # rotations of a crystal that are looked at: as many as generate a group, and one to spare
_PAIRS_AT_ONCE = 64


@cache
def rotations() -> Tensor:
    """Return (R, 3, 3) the proper rotations of axes but the identity, elements −1, 0, 1: enough for reduced cells."""
    matrices = torch.tensor(list(product((-1, 0, 1), repeat=9))).view(-1, 3, 3)
    # Written out, since the determinant of a batch of 19,683 small matrices is a slow way to add six products.
    a, b, c = matrices.unbind(1)
    determinant = (a * torch.linalg.cross(b, c)).sum(1)
    return matrices[(determinant == 1) & (matrices != torch.eye(3, dtype=torch.long)).any(2).any(1)]


def symmetry_agreement(factors: Tensor, observed: Observed) -> Tensor:
    """Return (B,) how well maps repeat themselves under the rotations that leave the lattice and |F| as they are.

    The mean over up to four of these rotations of the map correlation of the map with its turned copy, at the best
    shift and hand: a rotation of the Laue group is one of the space group, with the inversion or without. NaN for a
    crystal whose amplitudes have no such rotation.

    Args:
        factors: FFT boxes (B, N, N, N); only their phases count.
        observed: of the same crystals.
    """
    amplitude = observed.map_amplitude()
    phased = with_phases_of(amplitude, factors)
    total, count = (torch.zeros(len(amplitude), device=amplitude.device) for _ in range(2))
    crystals, operations = _lattice_rotations(observed.lattice).nonzero(as_tuple=True)
    for rows, which in zip(crystals.split(_PAIRS_AT_ONCE), operations.split(_PAIRS_AT_ONCE), strict=True):
        place, inside = _moved(rotations().to(amplitude)[which], amplitude.shape[-1])
        here = observed.mask[rows]
        common = here & inside & here.flatten(1).gather(1, place.flatten(1)).view_as(here)
        turned = amplitude[rows].flatten(1).gather(1, place.flatten(1)).view_as(common)
        difference = ((amplitude[rows] - turned).abs() * common).flatten(1).sum(1)
        mean = (amplitude[rows] * common).flatten(1).sum(1)
        enough = common.flatten(1).sum(1) >= _COMMON * here.flatten(1).sum(1)
        kept = (difference <= _LARGEST_R * mean) & enough & (count[rows] + _earlier(rows) < _MOST)
        if not kept.any():
            continue
        rows, place, common = rows[kept], place[kept], common[kept]
        first = phased[rows] * common
        second = phased[rows].flatten(1).gather(1, place.flatten(1)).view_as(first) * common
        total.index_add_(0, rows, likeness(_fine_half(first), _fine_half(second)))
        count.index_add_(0, rows, torch.ones_like(rows, dtype=count.dtype))
    return total / count


def _earlier(rows: Tensor) -> Tensor:
    """Return how often each of some ascending numbers (P,) stands before its place."""
    return torch.arange(len(rows), device=rows.device) - torch.searchsorted(rows, rows)


def _lattice_rotations(lattice: Tensor) -> Tensor:
    """Return (B, R) bool: which rotations bring each lattice (B, 3, 3) onto itself."""
    found = metric(lattice)
    edges = found.diagonal(dim1=1, dim2=2).sqrt()
    turn = rotations().to(found)
    changed = turn @ found[:, None] @ turn.mT
    tolerance = _METRIC_TOLERANCE * edges[:, :, None] * edges[:, None, :]
    return ((changed - found[:, None]).abs() <= tolerance[:, None]).all(-1).all(-1)


def _moved(rotation: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the flat places (P, N, N, N) of the equivalents of each reflection, and whether they are in the box."""
    # Small whole numbers as floats: a GPU multiplies no matrices of integers.
    index = miller_indices("full", size).to(rotation)
    hkl = torch.stack(torch.meshgrid(index, index, index, indexing="ij"), -1).view(-1, 3)
    # New axes are rotation @ old axes, and indices transform like the axes.
    moved = torch.einsum("pij,nj->pni", rotation, hkl)
    inside = (moved.abs() * 2 < size).all(-1).view(-1, size, size, size)
    place = (moved % size) @ torch.tensor([size**2, size, 1]).to(moved)
    return place.round().long().view_as(inside), inside


def _fine_half(box: Tensor) -> Tensor:
    size = 8 * box.shape[-1] // 10 * 2
    return resized(box, size)[..., : size // 2 + 1]
