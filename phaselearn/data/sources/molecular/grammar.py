"""The grammar of molecules: which fragments are joined where, before anything has coordinates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache

import numpy as np

from phaselearn.data.sources.molecular.fragments import (
    FLAT_GROUPS,
    FLAT_RINGS,
    GROUPS,
    LINKERS,
    PUCKERED_RINGS,
    ends_of,
    graph_of,
    heavy_atoms,
)
from phaselearn.data.sources.molecular.smiles import JOINT

_TYPICAL_SIZE = 21  # atoms without hydrogen, median
_SIZE_SPREAD = 0.42  # standard deviation of the logarithm
_ACYCLIC = 0.05  # share of molecules without rings
_DIRECT = 0.35  # share of rings that are bonded to the next without a linker
_DECORATION_SPREAD = 0.12  # standard deviation of the logarithm of the size, for the same rings
_RING_OVERHANG = 3  # atoms by which rings and linkers may exceed their share
_RING_SHARE = (0.45, 0.85)  # of the atoms, those in rings and linkers
_CARBON_LIKE = (5, 6, 14, 15)


@dataclass(frozen=True)
class Node:
    """A fragment of a molecule.

    Attributes:
        smiles: the fragment.
        parent: number of the node that it is joined to; −1 for the first.
        parent_end: the end of the parent that gives way to the bond.
        end: the own end that gives way to it; −1 for the first.
    """

    smiles: str
    parent: int
    parent_end: int
    end: int


@dataclass(frozen=True)
class Plan:
    """A molecule as a tree of fragments.

    Attributes:
        nodes: the fragments, each after its parent.
        symmetry: `none`, or the operation that doubles the molecule: `inversion` or `twofold`, about the middle of the
            bond by which the first fragment is joined to its own image; `mirror` is that of a flat molecule, whose
            atoms are all there.
        centre: the end of the first fragment at which an image is joined; −1 if there is none.
    """

    nodes: tuple[Node, ...]
    symmetry: str
    centre: int

    @property
    def copies(self) -> int:
        """How often the fragments are there."""
        return 2 if self.centre >= 0 else 1

    def graph(self) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the atomic numbers of all atoms, those of the bonds' ends left out, and the bonded pairs."""
        numbers: list[int] = []
        bonds: list[tuple[int, int]] = []
        places: list[dict[int, int]] = []
        for _ in range(self.copies):
            start = len(places)
            used = self._used()
            for number, node in enumerate(self.nodes):
                graph = graph_of(node.smiles)
                place = {}
                for atom, element in enumerate(graph.numbers):
                    if (number, atom) not in used:
                        place[atom] = len(numbers)
                        numbers.append(max(element, 1))
                places.append(place)
                bonds += [(place[i], place[j]) for i, j in graph.bonds if i in place and j in place]
                if node.parent >= 0:
                    parent = self.nodes[node.parent]
                    one = places[start + node.parent][holder(parent.smiles, node.parent_end)]
                    bonds.append((one, place[holder(node.smiles, node.end)]))
        if self.centre >= 0:
            atom = holder(self.nodes[0].smiles, self.centre)
            bonds.append((places[0][atom], places[len(self.nodes)][atom]))
        return numbers, bonds

    def _used(self) -> set[tuple[int, int]]:
        """Return (node, end) of the ends that gave way to bonds."""
        used = {(node.parent, node.parent_end) for node in self.nodes[1:]}
        used |= {(number, node.end) for number, node in enumerate(self.nodes) if node.parent >= 0}
        return used | ({(0, self.centre)} if self.centre >= 0 else set())


@cache
def holder(smiles: str, end: int) -> int:
    """Return the atom of a fragment that holds an end."""
    return next(atom for atom, other in ends_of(smiles) if other == end)


class Skeleton:
    """The rings of a molecule and what links them; groups are added in `decorated`, as often as one likes.

    Args:
        sizes: least and largest number of atoms without hydrogen.
        symmetry: `none`, `inversion`, `twofold` or `mirror`.
        draw: random generator.
    """

    def __init__(self, sizes: tuple[int, int], symmetry: str, draw: np.random.Generator) -> None:
        self._sizes = sizes
        self._symmetry = symmetry
        self._draw = draw
        self._halves = 2 if symmetry in ("inversion", "twofold") else 1
        self._size = math.exp(draw.normal(math.log(_TYPICAL_SIZE), _SIZE_SPREAD))
        within = int(np.clip(self._size, *sizes)) // self._halves
        self._growth = _Growth(flat=symmetry == "mirror", draw=draw)
        self._growth.start(within)
        self._centre = self._growth.reserve() if self._halves == 2 else -1
        self._growth.add_rings(draw.uniform(*_RING_SHARE) * within, within)

    def bare(self) -> Plan:
        """Return the plan of the rings and their links alone."""
        return Plan(tuple(self._growth.nodes), self._symmetry, self._centre)

    def decorated(self) -> Plan:
        """Return the plan of a molecule with these rings and random groups."""
        low, high = self._sizes
        size = self._size * math.exp(self._draw.normal(scale=_DECORATION_SPREAD))
        size = min(max(round(size), low + self._halves - 1), high) // self._halves
        growth = self._growth.copy()
        growth.decorate(size)
        return Plan(tuple(growth.nodes), self._symmetry, self._centre)


class _Growth:
    """A molecule that grows fragment by fragment."""

    def __init__(self, flat: bool, draw: np.random.Generator) -> None:
        self.flat = flat
        self.draw = draw
        self.nodes: list[Node] = []
        self.size = 0
        self._open: list[tuple[int, int]] = []  # (node, end)

    def copy(self) -> _Growth:
        """Return the same molecule, to grow on by itself."""
        other = copy(self)
        other.nodes, other._open = list(self.nodes), list(self._open)
        return other

    def start(self, size: int) -> None:
        """Begin with a ring, or a chain."""
        if self.flat or self.draw.random() > _ACYCLIC:
            self._add(_chosen(self._rings(), size, self.draw) or "c1ccccc1")
        else:
            self._add("C")

    def reserve(self) -> int:
        """Take an end of the first fragment out of the growth and return it."""
        carbons = [place for place in self._open if self._element(place) == 6]
        place = carbons[self.draw.integers(len(carbons))]
        self._open.remove(place)
        return place[1]

    def add_rings(self, until: float, most: int) -> None:
        """Add rings, with or without linkers, until there are so many atoms, and no more than a number."""
        while self.size < until:
            room = min(int(until) + _RING_OVERHANG, most) - self.size
            ring = _chosen(self._rings(), room, self.draw)
            linker = None
            if not self.flat and self.draw.random() > _DIRECT:
                linker = _chosen(LINKERS, room - heavy_atoms(ring) if ring else 0, self.draw)
            if ring is None or not self._join(*([linker] if linker else []), ring):
                return

    def decorate(self, size: int) -> None:
        """Add groups until there are so many atoms."""
        groups = FLAT_GROUPS if self.flat else GROUPS
        failures = 0
        while self.size < size and failures < 20:
            group = _chosen(groups, size - self.size, self.draw)
            failures += not (group and self._join(group))

    def _rings(self) -> Mapping[str, float]:
        return FLAT_RINGS if self.flat or self.draw.random() < 0.7 else PUCKERED_RINGS

    def _join(self, *chain: str) -> bool:
        """Join fragments, one to the next, to a random open end; return whether one was found."""
        first = ends_of(chain[0])
        joints = [pair for pair in first if graph_of(chain[0]).numbers[pair[1]] == JOINT] or first
        atom, end = joints[0] if joints is not first else joints[self.draw.integers(len(joints))]
        element = graph_of(chain[0]).numbers[atom]
        places = [place for place in self._open if bondable(self._element(place), element)]
        if not places:
            return False
        place = self._preferred(places)
        self._open.remove(place)
        number = self._add(chain[0], place, end)
        if len(chain) > 1:
            own = [place for place in self._open if place[0] == number]
            joints_left = [place for place in own if graph_of(chain[0]).numbers[place[1]] == JOINT]
            ring_ends = ends_of(chain[1])
            wanted = [
                (place, pair)
                for place in joints_left
                for pair in ring_ends
                if bondable(self._element(place), graph_of(chain[1]).numbers[pair[0]])
            ]
            if not wanted:
                return True
            place, pair = wanted[self.draw.integers(len(wanted))]
            self._open.remove(place)
            self._add(chain[1], place, pair[1])
        return True

    def _preferred(self, places: Sequence[tuple[int, int]]) -> tuple[int, int]:
        """Return an open end; joints first, since they wait for a fragment."""
        joints = [place for place in places if graph_of(self.nodes[place[0]].smiles).numbers[place[1]] == JOINT]
        chosen = joints or places
        return chosen[int(self.draw.integers(len(chosen)))]

    def _element(self, place: tuple[int, int]) -> int:
        smiles = self.nodes[place[0]].smiles
        return graph_of(smiles).numbers[holder(smiles, place[1])]

    def _add(self, smiles: str, place: tuple[int, int] = (-1, -1), end: int = -1) -> int:
        number = len(self.nodes)
        self.nodes.append(Node(smiles, *place, end))
        # What is joined to a tetrahedral atom does not lie in the plane.
        most = 3 if self.flat else 4
        around = graph_of(smiles).neighbours()
        self._open += [(number, other) for atom, other in ends_of(smiles) if other != end and len(around[atom]) <= most]
        self.size += heavy_atoms(smiles)
        return number


def bondable(one: int, other: int) -> bool:
    """Whether a single bond of two elements is one that organic molecules often have."""
    return one in _CARBON_LIKE or other in _CARBON_LIKE


def _chosen(table: Mapping[str, float], room: int, draw: np.random.Generator) -> str | None:
    """Return a fragment of at most `room` atoms, by its weight; None if there is none."""
    names, weights = _fitting(tuple(table.items()), room)
    return names[int(np.searchsorted(weights, draw.random() * weights[-1]))] if names else None


@cache
def _fitting(table: tuple[tuple[str, float], ...], room: int) -> tuple[list[str], np.ndarray]:
    fit = [(name, weight) for name, weight in table if heavy_atoms(name) <= room]
    return [name for name, _ in fit], np.cumsum([weight for _, weight in fit])
