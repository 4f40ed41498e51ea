"""Rotations that bring a lattice onto itself, in the axes of any cell, and the groups that they form."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.cells import Cell, metric

IDENTITY: NDArray[np.int64] = np.eye(3, dtype=np.int64)
METRIC_TOLERANCE = 0.01  # of the product of two edges: half a per cent of an edge, 0.6° of an angle
_MOST = 24  # proper rotations of a lattice
_STEPS = np.array(list(product((-1, 0, 1), repeat=2)))


def lattice_rotations(cell: Cell, tolerance: float = METRIC_TOLERANCE) -> NDArray[np.int64]:
    """Return the proper rotations (R, 3, 3) of the lattice that a cell spans, the identity first.

    They act on fractional coordinates as x' = R x, and on indices as rows, h' = h R. Each keeps the metric tensor
    within the tolerance. They form a group, even where the tolerance allows more of them than a lattice can have.

    Args:
        cell: any cell, reduced or not. Centring is ignored: rotations that need fractional numbers are left out.
        tolerance: largest change of the metric tensor, relative to the product of two edges of the reduced cell.
    """
    axes = reduced_axes(metric(cell))
    found = axes @ metric(cell) @ axes.T
    edges = np.sqrt(np.diag(found))
    candidates = _small_rotations()
    changed = candidates.transpose(0, 2, 1) @ found @ candidates
    misfit = (np.abs(changed - found) / np.outer(edges, edges)).max((1, 2))
    # The best first, and of equally good ones that of the smallest numbers: a tie is never left to rounding.
    order = np.lexsort((np.abs(candidates).sum((1, 2)), misfit.round(6)))
    allowed = [candidates[place] for place in order if misfit[place] <= tolerance]
    group = [IDENTITY]
    for rotation in allowed:
        larger = closure([*group, rotation], _MOST)
        if larger is not None and _among(larger, allowed):
            group = larger
    # New axes are `axes` @ old axes, so coordinates change with the transposed matrix.
    back = np.round(np.linalg.inv(axes)).astype(np.int64)
    return np.array([axes.T @ rotation @ back.T for rotation in group])


def reduced_axes(tensor: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return whole numbers (3, 3) that make three shortest axes of a lattice from those with a metric tensor.

    The rows are the new axes in terms of the old ones (Minkowski's reduction, by Semaev's greedy method, Lecture Notes
    in Computer Science 2146 (2001) 181).
    """
    axes = IDENTITY.copy()
    while True:
        axes = axes[np.argsort(np.einsum("ij,jk,ik->i", axes, tensor, axes), kind="stable")]
        g = axes @ tensor @ axes.T
        ratio = round(g[0, 1] / g[0, 0])
        if ratio:
            axes[1] -= ratio * axes[0]
            continue
        nearest = np.round(np.linalg.solve(g[:2, :2], g[:2, 2])).astype(np.int64)
        trials = axes[2] - (nearest + _STEPS) @ axes[:2]
        lengths = np.einsum("ij,jk,ik->i", trials, tensor, trials)
        best = int(np.argmin(lengths))
        if lengths[best] >= g[2, 2] * (1 - 1e-9):
            return axes
        axes[2] = trials[best]


def closure(rotations: Iterable[NDArray[np.int64]], most: int) -> list[NDArray[np.int64]] | None:
    """Return the group that rotations generate, the identity first; None if it has more than so many elements."""
    generators = list(rotations)
    group = {IDENTITY.tobytes(): IDENTITY}
    fresh = [IDENTITY]
    while fresh:
        products = [element @ generator for element in fresh for generator in generators]
        fresh = []
        for element in products:
            if element.tobytes() not in group:
                group[element.tobytes()] = element
                fresh.append(element)
            if len(group) > most:
                return None
    return list(group.values())


def subgroups(group: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return all subgroups (R, 3, 3) of a group (G, 3, 3), the smallest first, the group itself last.

    The identity must be the first element of the group; it is the first of each subgroup.
    """
    places = {element.tobytes(): place for place, element in enumerate(group)}
    table = [[places[(a @ b).tobytes()] for b in group] for a in group]

    def generated(elements: frozenset[int]) -> frozenset[int]:
        while True:
            larger = elements.union(table[a][b] for a in elements for b in elements)
            if larger == elements:
                return elements
            elements = larger

    cyclic = {generated(frozenset((0, place))) for place in range(len(group))}
    found = set(cyclic)
    fresh = set(cyclic)
    while fresh:
        joined = {generated(one | other) for one in fresh for other in cyclic}
        fresh = joined - found
        found |= fresh
    return [group[sorted(elements)] for elements in sorted(found, key=lambda some: (len(some), sorted(some)))]


@cache
def _small_rotations() -> NDArray[np.int64]:
    """Return the matrices of elements −1, 0, 1 with determinant 1: enough for reduced axes."""
    matrices = np.array(list(product((-1, 0, 1), repeat=9)), dtype=np.int64).reshape(-1, 3, 3)
    return matrices[np.round(np.linalg.det(matrices)) == 1]


def _among(some: Iterable[NDArray[np.int64]], all_of_them: Iterable[NDArray[np.int64]]) -> bool:
    return {one.tobytes() for one in some} <= {one.tobytes() for one in all_of_them}
