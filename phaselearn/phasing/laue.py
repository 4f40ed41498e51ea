"""The rotations that leave a crystal's lattice and amplitudes unchanged: its Laue class, as far as the data show it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product

import torch
from torch import Tensor

from phaselearn.crystal.lattice import metric
from phaselearn.crystal.layout import Shape, in_parts, inside_nyquist, miller_box, shape_of, strides
from phaselearn.crystal.observed import Observed

_METRIC_TOLERANCE = 0.01  # of the product of two cell edges
_LARGEST_R = 0.3  # between |F| of equivalent reflections; noise of 20 % gives 0.23
# A rotation of the lattice that the structure lacks has an R 0.2 above those that it has.
_SPREAD = 0.05
_COMMON = 0.5  # of the observed reflections: an operation must bring so many onto observed ones
_MOST = 4  # rotations used for each crystal: enough to generate any group, and one to spare


@cache
def rotations() -> Tensor:
    """Return (R, 3, 3) the proper rotations of axes with elements −1, 0 and 1, which are all that reduced cells need.

    The identity is left out.
    """
    matrices = torch.tensor(list(product((-1, 0, 1), repeat=9))).view(-1, 3, 3)
    a, b, c = matrices.unbind(1)
    determinant = (a * torch.linalg.cross(b, c)).sum(1)
    return matrices[(determinant == 1) & (matrices != torch.eye(3, dtype=torch.long)).any(2).any(1)]


def laue_rotations(observed: Observed, amplitude: Tensor) -> tuple[Tensor, Tensor]:
    """Return pairs of crystals (P,) and rotations of their lattices (P,) that |F| shows, at most four for each crystal.

    The crystals are in ascending order.
    """
    crystals, operations = _lattice_rotations(observed.lattice).nonzero(as_tuple=True)
    r_factor, share = _compared(observed, amplitude, crystals, operations)
    shown = _fitting(r_factor, crystals, len(amplitude)) & (share >= _COMMON)
    crystals, operations = crystals[shown], operations[shown]
    few = _earlier(crystals) < _MOST
    return crystals[few], operations[few]


def with_equivalents(observed: Observed) -> Observed:
    """Return the same with unmeasured reflections filled in from measured ones that should have the same |F|.

    The crystal is taken to have all rotations of its lattice, unless measured equivalents contradict one. If all angles
    are right, an octant of reflections then gives all of them. Most reflections that are missing at random have a
    measured equivalent.
    """
    crystals, operations = _lattice_rotations(observed.lattice).nonzero(as_tuple=True)
    r_factor, share = _compared(observed, observed.map_amplitude(), crystals, operations)
    # Where no two equivalents were measured, nothing contradicts.
    allowed = (share == 0) | _fitting(r_factor, crystals, len(observed.amplitude))
    measured = (observed.amplitude,) if observed.sigma is None else (observed.amplitude, observed.sigma)
    count, *totals = (torch.zeros_like(observed.amplitude) for _ in range(1 + len(measured)))
    for rows, which in in_turn(crystals[allowed], operations[allowed], observed.shape):
        place, inside = _moved(rotations().to(count.device)[which], observed.shape)
        known = inside & at(observed.mask[rows], place)
        for total, values in zip(totals, measured, strict=True):
            total.index_add_(0, rows, at(values[rows], place) * known)
        count.index_add_(0, rows, known.to(count))
    filled = ~observed.mask & (count > 0) & inside_nyquist(observed.shape, count.device)
    amplitude, *sigma = (
        torch.where(filled, total / count.clamp_min(1), values) for total, values in zip(totals, measured, strict=True)
    )
    return replace(observed, amplitude=amplitude, mask=observed.mask | filled, sigma=sigma[0] if sigma else None)


def _compared(observed: Observed, amplitude: Tensor, crystals: Tensor, operations: Tensor) -> tuple[Tensor, Tensor]:
    """Compare equivalent reflections under rotations (P,) of crystals (P,).

    Returns:
        R between equivalent |F| (P,), inf where none were measured, and the share (P,) of the observed reflections that
        have observed equivalents.
    """
    r_factors, shares = [], []
    for rows, which in in_turn(crystals, operations, observed.shape):
        place, common = equivalents(observed.mask[rows], which)
        difference = ((amplitude[rows] - at(amplitude[rows], place)).abs() * common).flatten(1).sum(1)
        mean = (amplitude[rows] * common).flatten(1).sum(1)
        r_factors.append(torch.where(mean > 0, difference / mean, torch.inf))
        shares.append(common.flatten(1).sum(1) / observed.mask[rows].flatten(1).sum(1))
    return torch.cat(r_factors), torch.cat(shares)


def _fitting(r_factor: Tensor, crystals: Tensor, count: int) -> Tensor:
    """Return which rotations (P,) have a low R, nearly as low as the best of their crystals."""
    least = torch.full((count,), torch.inf, device=r_factor.device, dtype=r_factor.dtype)
    least.scatter_reduce_(0, crystals, r_factor, "amin")
    return (r_factor <= _LARGEST_R) & (r_factor <= least[crystals] + _SPREAD)


def in_turn(crystals: Tensor, operations: Tensor, shape: Shape) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield pairs of crystals and rotations (P,), no more at a time than `in_parts` allows for boxes of a shape."""
    points = math.prod(shape)
    yield from zip(in_parts(crystals, points), in_parts(operations, points), strict=True)


def equivalents(mask: Tensor, operations: Tensor) -> tuple[Tensor, Tensor]:
    """Return the flat places (P, n₁n₂n₃) of the equivalents of reflections, and where both are observed."""
    # Crystals share rotations, so the places are worked out once for each.
    different, which = operations.unique(return_inverse=True)
    place, inside = _moved(rotations().to(mask.device)[different], shape_of(mask))
    place, inside = place[which], inside[which]
    return place, mask & inside & at(mask, place)


def at(box: Tensor, place: Tensor) -> Tensor:
    """Read boxes (P, n₁, n₂, n₃) at flat places (P, n₁n₂n₃)."""
    return box.flatten(1).gather(1, place).view_as(box)


def _lattice_rotations(lattice: Tensor) -> Tensor:
    """Return (B, R) bool: which rotations bring each lattice (B, 3, 3) onto itself."""
    found = metric(lattice)
    edges = found.diagonal(dim1=1, dim2=2).sqrt()
    turn = rotations().to(found)
    changed = turn @ found[:, None] @ turn.mT
    tolerance = _METRIC_TOLERANCE * edges[:, :, None] * edges[:, None, :]
    return ((changed - found[:, None]).abs() <= tolerance[:, None]).all(-1).all(-1)


def _moved(rotation: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
    """Return the flat places (P, n₁n₂n₃) of the equivalents of reflections, and whether the box has them."""
    hkl = torch.stack(torch.meshgrid(*miller_box(shape, rotation.device), indexing="ij")).flatten(1)
    # New axes are rotation @ old axes, and indices transform like the axes. No matrix product is used: a GPU has none
    # for integers, and autocast would round.
    moved = (rotation[..., None] * hkl).sum(2)  # (P, 3, n₁n₂n₃)
    size = torch.tensor(shape, device=moved.device)[:, None]
    inside = (moved.abs() * 2 < size).all(1).view(-1, *shape)
    return (moved % size * strides(shape, moved.device)[:, None]).sum(1), inside


def _earlier(rows: Tensor) -> Tensor:
    """Return for each of some ascending numbers (P,) how many equal ones come before it."""
    return torch.arange(len(rows), device=rows.device) - torch.searchsorted(rows, rows)
