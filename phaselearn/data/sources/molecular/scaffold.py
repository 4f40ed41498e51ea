"""The scaffold of a molecule: its rings and what links them, in a name that does not depend on the order of atoms."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

_ROUNDS = 6  # of refinement; atoms that differ by their surroundings within so many bonds are told apart


def scaffold(numbers: Sequence[int], bonds: Sequence[tuple[int, int]]) -> str:
    """Return a name of a molecule's scaffold; molecules without rings are their own.

    The scaffold is what remains when atoms with a single bond are taken away again and again (Bemis & Murcko, J. Med.
    Chem. 39, 2887, 1996). Its atoms are told apart by their elements and their surroundings (Weisfeiler & Leman, 1968);
    two scaffolds for which that is not enough count as one, so that they are never on two sides of a split.

    Args:
        numbers: atomic numbers, hydrogen included.
        bonds: bonded pairs of atoms.
    """
    whole = _without_hydrogen(numbers, bonds)
    core = ring_atoms(numbers, bonds)
    graph = {atom: whole[atom] & core for atom in core} if core else whole
    names = {atom: str(numbers[atom]) for atom in graph}
    for _ in range(_ROUNDS):
        names = {
            atom: _digest(names[atom], *sorted(names[other] for other in around)) for atom, around in graph.items()
        }
    return f"{'scaffold' if core else 'chain'}-{_digest(*sorted(names.values()))}"


def ring_atoms(numbers: Sequence[int], bonds: Sequence[tuple[int, int]]) -> set[int]:
    """Return the atoms of rings and of what links them; none if there are no rings."""
    graph = _without_hydrogen(numbers, bonds)
    leaves = [atom for atom, around in graph.items() if len(around) < 2]
    while leaves:
        leaf = leaves.pop()
        for other in graph.pop(leaf, ()):
            graph[other].discard(leaf)
            if len(graph[other]) == 1:
                leaves.append(other)
    return set(graph)


def _without_hydrogen(numbers: Sequence[int], bonds: Sequence[tuple[int, int]]) -> dict[int, set[int]]:
    graph: dict[int, set[int]] = {atom: set() for atom, number in enumerate(numbers) if number != 1}
    for first, second in bonds:
        if first in graph and second in graph:
            graph[first].add(second)
            graph[second].add(first)
    return graph


def _digest(*parts: str) -> str:
    return hashlib.blake2b("|".join(parts).encode(), digest_size=8).hexdigest()
