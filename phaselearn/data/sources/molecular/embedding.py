"""Coordinates of a fragment from its graph: bond lengths, angles and planes are fitted by least squares."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from phaselearn.data.sources.molecular.ideal import angle, bond_length, is_end
from phaselearn.data.sources.molecular.smiles import JOINT, Graph

_ANGLE_WEIGHT = 0.3  # of the distance of two neighbours of an atom, relative to that of bonded atoms
_PLANE_WEIGHT = 0.3  # of the volume of a tetrahedron of four atoms that lie in a plane, in 1/Å²
_CLOSEST = {0: 2.0, 1: 2.3, 2: 2.6}  # Å, least distance of other atoms, by the number of them that are not hydrogen
_JOINTS_APART = 3.0  # Å, so that what is joined across a double bond is trans
_APART_WEIGHT = 0.3
_STARTS = 12  # number of random starts, at most
_STEPS = 60  # of least squares, at most
_BOND_ERROR = 0.03  # Å, largest that is accepted
_SMALL_RING = 6  # atoms; the angles of larger rings are free

Quartet = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class _Restraints:
    """The restraints on the coordinates of a fragment.

    Attributes:
        pairs: pairs of atoms (p, 2), bonded ones first.
        lengths: their distances (p,) in Å.
        weights: the weight (p,) of each.
        apart: least distances (n, n) in Å of the other pairs; 0 where there is none.
        planes: atoms (q, 4) that lie in a plane.
    """

    pairs: np.ndarray
    lengths: np.ndarray
    weights: np.ndarray
    apart: np.ndarray
    planes: np.ndarray


def embed(graph: Graph, seed: int) -> np.ndarray:
    """Return the positions (n, 3) of a graph's atoms in Å; another seed may give another conformer or hand.

    Raises:
        ValueError: no start leads to the right bond lengths.
    """
    draw = np.random.default_rng(seed)
    restraints = _restraints(graph)
    bonds, lengths = (each[: len(graph.bonds)] for each in (restraints.pairs, restraints.lengths))
    start = _layout(graph)
    best, best_cost = None, math.inf
    for _ in range(_STARTS):
        positions = start + draw.normal(scale=0.4, size=start.shape)
        positions, cost = _fitted(positions, restraints)
        away = positions[bonds[:, 0]] - positions[bonds[:, 1]]
        error = np.abs(np.linalg.norm(away, axis=1) - lengths).max()
        if error < _BOND_ERROR and cost < best_cost:
            best, best_cost = positions, cost
            if cost < 0.01 * len(positions):
                break
    if best is None:
        raise ValueError("no coordinates with the right bond lengths")
    return best


def flat_atoms(graph: Graph) -> list[bool]:
    """Return which atoms have their bonds in a plane: those of aromatic and double bonds, and N or O beside them."""
    neighbours = graph.neighbours()
    multiple = [False] * len(graph.numbers)
    for pair, order in graph.bonds.items():
        for atom in pair:
            # Phosphorus, and sulphur with three neighbours, have their bonds in a pyramid.
            most = {15: 0, 16: 2}.get(graph.numbers[atom], 3)
            multiple[atom] |= order > 1 and len(neighbours[atom]) <= most
    return [
        multiple[atom] or (number in (7, 8) and any(multiple[other] for other in neighbours[atom]))
        for atom, number in enumerate(graph.numbers)
    ]


def rings_of(graph: Graph) -> list[frozenset[int]]:
    """Return the rings of at most eight atoms: for each bond the smallest one through it."""
    neighbours = graph.neighbours()
    found = []
    for first, second in graph.bonds:
        path = _shortest_path(neighbours, first, second)
        if path and len(path) <= 8 and frozenset(path) not in found:
            found.append(frozenset(path))
    return found


def _shortest_path(neighbours: list[list[int]], first: int, second: int) -> list[int]:
    """Return the atoms of the shortest way between two atoms but for their own bond; none if there is no other."""
    before = {first: first}
    front = [first]
    while front and second not in before:
        following = []
        for atom in front:
            for other in neighbours[atom]:
                if other not in before and (atom, other) != (first, second):
                    before[other] = atom
                    following.append(other)
        front = following
    if second not in before:
        return []
    path = [second]
    while path[-1] != first:
        path.append(before[path[-1]])
    return path


def _restraints(graph: Graph) -> _Restraints:
    """Return the restraints on the coordinates of a graph."""
    neighbours, flat, rings = graph.neighbours(), flat_atoms(graph), rings_of(graph)
    count = [len(each) for each in neighbours]
    numbers = graph.numbers
    lengths = {
        pair: bond_length((numbers[pair[0]], numbers[pair[1]]), (count[pair[0]], count[pair[1]]), order)
        for pair, order in graph.bonds.items()
    }
    across: dict[tuple[int, int], float] = {}
    for atom, around in enumerate(neighbours):
        orders = sorted(graph.bonds[_pair(atom, other)] for other in around)
        linear = len(around) == 2 and (orders[-1] == 3 or orders == [2, 2])
        usual = angle(numbers[atom], count[atom], linear, flat[atom])
        for (first, second), degrees in _angles(atom, around, usual, flat[atom], rings).items():
            one, other = lengths[_pair(atom, first)], lengths[_pair(atom, second)]
            square = one**2 + other**2 - 2 * one * other * math.cos(math.radians(degrees))
            across.setdefault(_pair(first, second), math.sqrt(square))
    across = {pair: length for pair, length in across.items() if pair not in lengths}
    pairs = np.array([*lengths, *across])
    apart = np.array([[_CLOSEST[2 - is_end(one) - is_end(other)] for other in numbers] for one in numbers])
    joints = np.array(numbers) == JOINT
    apart[joints[:, None] & joints] = _JOINTS_APART
    apart[pairs[:, 0], pairs[:, 1]] = apart[pairs[:, 1], pairs[:, 0]] = 0.0
    np.fill_diagonal(apart, 0.0)
    weights = np.concatenate([np.ones(len(lengths)), np.full(len(across), _ANGLE_WEIGHT)])
    planes = np.array(list(_planes(graph)), dtype=int).reshape(-1, 4)
    return _Restraints(pairs, np.array([*lengths.values(), *across.values()]), weights, apart, planes)


def _angles(
    atom: int, around: list[int], usual: float, flat: bool, rings: list[frozenset[int]]
) -> dict[tuple[int, int], float]:
    """Return the angles of each pair of an atom's neighbours, in degrees."""
    inner: dict[tuple[int, int], float] = {}
    for first, second in combinations(around, 2):
        sizes = [len(ring) for ring in rings if {atom, first, second} <= ring]
        if sizes and min(sizes) <= _SMALL_RING:
            size = min(sizes)
            polygon = 180.0 - 360.0 / size
            inner[first, second] = polygon if flat or size < 5 else min(usual, polygon - (3.5 if size == 5 else 0))
    result = {}
    for pair in combinations(around, 2):
        if pair in inner:
            result[pair] = inner[pair]
        elif flat and len(around) == 3 and inner:
            # In a plane the three angles add up to a full turn.
            result[pair] = (360.0 - sum(inner.values())) / (3 - len(inner))
        elif inner and min(inner.values()) < 95:
            result[pair] = 117.0 if min(inner.values()) < 70 else 113.5
        else:
            result[pair] = usual
    return result


def _planes(graph: Graph) -> Iterator[Quartet]:
    """Yield atoms that lie in a plane, four at a time: around flat atoms, and along the bonds between two of them."""
    neighbours, flat = graph.neighbours(), flat_atoms(graph)
    for atom, around in enumerate(neighbours):
        if flat[atom] and len(around) == 3:
            yield (atom, around[0], around[1], around[2])
    for first, second in graph.bonds:
        if flat[first] and flat[second]:
            for one in neighbours[first]:
                for other in neighbours[second]:
                    if len({one, first, second, other}) == 4:
                        yield (one, first, second, other)


def _layout(graph: Graph) -> np.ndarray:
    """Return rough positions (n, 3): distances along bonds, brought into three dimensions by classical scaling."""
    neighbours = graph.neighbours()
    total = len(graph.numbers)
    steps = np.full((total, total), np.inf)
    for atom in range(total):
        front, distance = [atom], 0
        while front:
            steps[atom, front] = distance
            distance += 1
            front = list({other for each in front for other in neighbours[each] if np.isinf(steps[atom, other])})
    squares = np.square(1.25 * steps**0.9)
    centred = squares - squares.mean(0) - squares.mean(1)[:, None] + squares.mean()
    values, vectors = np.linalg.eigh(-0.5 * centred)
    layout = np.zeros((total, 3))
    layout[:, : min(total, 3)] = vectors[:, -3:] * np.sqrt(np.maximum(values[-3:], 0))
    return layout


def _fitted(positions: np.ndarray, restraints: _Restraints) -> tuple[np.ndarray, float]:
    """Return the positions after least squares by Levenberg and Marquardt, and the sum of squares.

    SciPy's `least_squares` takes six to eight times as long for such small problems.
    """
    damping = 0.1
    residual, jacobian = _residuals(positions, restraints)
    cost = float(residual @ residual)
    for _ in range(_STEPS):
        normal = jacobian.T @ jacobian
        normal[np.diag_indices(len(normal))] += damping * 0.1
        shift = np.linalg.solve(normal, -(jacobian.T @ residual)).reshape(-1, 3)
        shift *= min(1.0, 0.5 / np.abs(shift).max())
        moved = positions + shift
        new_residual, new_jacobian = _residuals(moved, restraints)
        new_cost = float(new_residual @ new_residual)
        if new_cost < cost:
            is_done = cost - new_cost < 1e-7 * len(positions)
            positions, residual, jacobian, cost = moved, new_residual, new_jacobian, new_cost
            damping = max(damping / 4, 1e-4)
            if is_done:
                break
        else:
            damping *= 6
            if damping > 1e4:
                break
    return positions, cost


def _residuals(positions: np.ndarray, restraints: _Restraints) -> tuple[np.ndarray, np.ndarray]:
    """Return the residuals (r,) and their derivatives (r, 3 n)."""
    apart, planes = restraints.apart, restraints.planes
    away = positions[:, None] - positions
    distances = np.sqrt(np.square(away).sum(-1) + 1e-12)
    close = np.argwhere(np.triu(distances < apart, 1))
    both = np.concatenate([restraints.pairs, close])
    factor = np.concatenate([restraints.weights, np.full(len(close), _APART_WEIGHT)])
    wanted = np.concatenate([restraints.lengths, apart[close[:, 0], close[:, 1]]])
    apart_now = distances[both[:, 0], both[:, 1]]
    direction = away[both[:, 0], both[:, 1]] / apart_now[:, None] * factor[:, None]
    corners = positions[planes] - positions[planes[:, :1]]
    edges = corners[:, 1:]
    gradients = _PLANE_WEIGHT * np.cross(edges[:, [1, 2, 0]], edges[:, [2, 0, 1]])
    volumes = (gradients[:, 0] * edges[:, 0]).sum(1)
    jacobian = np.zeros((len(both) + len(planes), len(positions), 3))
    rows = np.arange(len(both))
    jacobian[rows, both[:, 0]] = direction
    jacobian[rows, both[:, 1]] = -direction
    rows = len(both) + np.arange(len(planes))
    jacobian[rows[:, None], planes[:, 1:]] = gradients
    jacobian[rows, planes[:, 0]] = -gradients.sum(1)
    residual = np.concatenate([factor * (apart_now - wanted), volumes])
    return residual, jacobian.reshape(len(residual), -1)


def _pair(first: int, second: int) -> tuple[int, int]:
    return (first, second) if first < second else (second, first)
