"""Fragments that are joined by single bonds, and turned about these until none is in another's way."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from phaselearn.data.sources.molecular.fragments import GROUPS, Fragment, conformer, conformers, ends_of, graph_of
from phaselearn.data.sources.molecular.grammar import Node, Plan, bondable, holder
from phaselearn.data.sources.molecular.ideal import bond_length, van_der_waals_radii

TORSIONS = 10  # number of angles that are tried about a bond
MOST_STRAIN = 0.06  # Å², largest `strain` that is accepted
_PLACES_TRIED = 8  # for a group
_CLOSEST = 0.8  # least distance of atoms that are three bonds or more apart, relative to their van der Waals radii
_CONJUGATED = (0.0, 180.0, 12.0)  # degrees: both angles that are likely, and the spread about them
_BETWEEN_RINGS = (40.0, 140.0, 12.0)


class Joined:
    """Fragments that have been joined so far.

    Args:
        plan: the molecule.
        draw: random generator.
    """

    def __init__(self, plan: Plan, draw: np.random.Generator) -> None:
        self.nodes = list(plan.nodes)
        self.flat = plan.symmetry == "mirror"
        self.draw = draw
        self.fragments: list[Fragment] = []
        self.positions: list[np.ndarray] = []
        self._reserved = {(0, plan.centre)}
        self._present: list[np.ndarray] = []  # (n,) bool for each fragment: not given way to a bond
        self._joined: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)  # across bonds of two fragments

    def add(self, number: int) -> bool:
        """Join a fragment; return whether there is room for it."""
        node = self.nodes[number]
        fragment = conformer(node.smiles, int(self.draw.integers(conformers(node.smiles))))
        positions = fragment.positions * (1.0, 1.0, 1.0 if self.draw.random() < 0.5 else -1.0)
        present = np.ones(len(positions), dtype=bool)
        if node.parent >= 0:
            self._present[node.parent][node.parent_end] = False
            present[node.end] = False
            placed = self._placed(node, fragment, positions, present)
            if placed is None:
                self._present[node.parent][node.parent_end] = True
                return False
            positions = placed
            one = node.parent, holder(self.nodes[node.parent].smiles, node.parent_end)
            other = number, holder(node.smiles, node.end)
            self._joined[one].append(other)
            self._joined[other].append(one)
        self.fragments.append(fragment)
        self.positions.append(positions)
        self._present.append(present)
        return True

    def add_elsewhere(self, number: int) -> bool:
        """Join a group to another end than the plan says, which changes neither formula nor scaffold.

        Returns:
            Whether there is room for it; False as well for a ring, and for a fragment to which others are joined.
        """
        node = self.nodes[number]
        if node.smiles not in GROUPS or any(other.parent == number for other in self.nodes):
            return False
        used = self._reserved | {(other.parent, other.parent_end) for other in self.nodes}
        element = graph_of(node.smiles).numbers[holder(node.smiles, node.end)]
        ends = [
            (parent, end)
            for parent in range(number)
            for atom, end in ends_of(self.nodes[parent].smiles)
            if (parent, end) not in used
            and end != self.nodes[parent].end
            and bondable(graph_of(self.nodes[parent].smiles).numbers[atom], element)
        ]
        for place in self.draw.permutation(len(ends))[:_PLACES_TRIED]:
            parent, end = ends[place]
            self.nodes[number] = replace(node, parent=parent, parent_end=end)
            if self.add(number):
                return True
        return False

    def _placed(self, node: Node, fragment: Fragment, positions: np.ndarray, present: np.ndarray) -> np.ndarray | None:
        parent, there = self.fragments[node.parent], self.positions[node.parent]
        atom, own = holder(self.nodes[node.parent].smiles, node.parent_end), holder(node.smiles, node.end)
        numbers = int(parent.numbers[atom]), int(fragment.numbers[own])
        length = bond_length(numbers, (len(parent.neighbours[atom]), len(fragment.neighbours[own])), 1)
        frame = _frame(there, atom, node.parent_end, parent)
        own_frame = _frame(positions, own, node.end, fragment)
        angles = self._torsions(parent, fragment, atom, own)
        cosines, sines = np.cos(angles), np.sin(angles)
        # The own bond points back along the parent's; the other axes are turned by the torsion angle.
        across = cosines[:, None] * frame[1] + sines[:, None] * frame[2]
        third = sines[:, None] * frame[1] - cosines[:, None] * frame[2]
        target = np.stack([np.broadcast_to(-frame[0], across.shape), across, third], axis=1)
        tried = there[atom] + length * frame[0] + (positions - positions[own]) @ own_frame.T @ target
        best = self._best(tried, fragment, present, own, (node.parent, atom))
        return None if best is None else tried[best]

    def _best(
        self, tried: np.ndarray, fragment: Fragment, present: np.ndarray, own: int, joint: tuple[int, int]
    ) -> int | None:
        """Return which trial (k, n, 3) of a fragment has room, the first without strain or else the best; None if none.

        Args:
            tried: positions of the fragment's atoms in each trial.
            fragment: the fragment.
            present: (n,) bool, the atoms that are not given way to a bond.
            own: the atom that is joined; it is near the neighbours of the other in any trial.
            joint: (fragment, atom) that it is joined to.
        """
        number, atom = joint
        numbers = np.maximum(fragment.numbers, 1)
        far = present & (np.arange(len(present)) != own)
        strains = strain(tried[:, far], numbers[far], *self.atoms({(number, atom)}))
        near = {joint, *((number, other) for other in self.fragments[number].neighbours[atom]), *self._joined[joint]}
        strains += strain(tried[:, [own]], numbers[[own]], *self.atoms(near))
        best = int(np.argmax(strains < 0.01)) if (strains < 0.01).any() else int(strains.argmin())
        return best if strains[best] < MOST_STRAIN else None

    def _torsions(self, parent: Fragment, fragment: Fragment, atom: int, own: int) -> np.ndarray:
        """Return angles to try about a bond, in radians: first those that bonds of its kind have, then any."""
        if self.flat:
            return np.deg2rad(self.draw.permutation([0.0, 180.0]))
        anything = self.draw.uniform(-math.pi, math.pi, TORSIONS)
        if not (parent.flat[atom] and fragment.flat[own]):
            return anything
        between_rings = parent.in_ring[atom] and fragment.in_ring[own]
        low, high, spread = _BETWEEN_RINGS if between_rings else _CONJUGATED
        angles = self.draw.choice([low, high], TORSIONS) * self.draw.choice([1.0, -1.0], TORSIONS)
        return np.concatenate([np.deg2rad(angles + self.draw.normal(scale=spread, size=TORSIONS)), anything])

    def open(self, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Take an end of the first fragment away, where its atom is joined to its own image.

        Returns:
            The middle of the new bond (3,) in Å, and its direction (3,).
        """
        self._present[0][end] = False
        atom, fragment = holder(self.nodes[0].smiles, end), self.fragments[0]
        along = self.positions[0][end] - self.positions[0][atom]
        along /= math.sqrt(along @ along)
        number, neighbours = int(fragment.numbers[atom]), len(fragment.neighbours[atom])
        length = bond_length((number, number), (neighbours, neighbours), 1)
        return self.positions[0][atom] + length / 2 * along, along

    def atoms(self, without: Collection[tuple[int, int]] = ()) -> tuple[np.ndarray, np.ndarray]:
        """Return positions and atomic numbers of the atoms that are there; the ends that are left are hydrogen.

        Args:
            without: (fragment, atom) of each atom that is left out.
        """
        present = [each.copy() for each in self._present]
        for fragment, atom in without:
            present[fragment][atom] = False
        positions = np.concatenate([each[mask] for each, mask in zip(self.positions, present, strict=True)])
        numbers = np.concatenate([each.numbers[mask] for each, mask in zip(self.fragments, present, strict=True)])
        return positions, np.maximum(numbers, 1)


def _frame(positions: np.ndarray, atom: int, end: int, fragment: Fragment) -> np.ndarray:
    """Return three unit vectors (3, 3): along a bond, to another neighbour of its atom, and at right angles to both."""
    along = positions[end] - positions[atom]
    along /= math.sqrt(along @ along)
    other = fragment.other_neighbour(atom, end)
    towards = positions[other] - positions[atom] if other is not None else np.zeros(3)
    across = towards - (towards @ along) * along
    if across @ across < 0.01:
        across = np.cross(along, np.eye(3)[np.abs(along).argmin()])
    (a, b, c), (x, y, z) = along.tolist(), (across / math.sqrt(across @ across)).tolist()
    return np.array([(a, b, c), (x, y, z), (b * z - c * y, c * x - a * z, a * y - b * x)])


def strain(tried: np.ndarray, numbers: np.ndarray, others: np.ndarray, other_numbers: np.ndarray) -> np.ndarray:
    """Return the sum of squares of what is missing of the least distances in each trial (k, n, 3), (k,) in Å²."""
    least = _CLOSEST * (van_der_waals_radii()[numbers][:, None] + van_der_waals_radii()[other_numbers])
    away = tried[:, :, None] - others
    distances = np.sqrt(np.square(away).sum(-1))
    return np.square(np.maximum(least - distances, 0)).sum((1, 2))
