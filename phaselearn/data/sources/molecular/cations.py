"""Cations: molecules with a proton on one of their basic nitrogen atoms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from phaselearn.data.sources.molecular.fragments import BASES, graph_of
from phaselearn.data.sources.molecular.grammar import Plan, holder
from phaselearn.data.sources.molecular.smiles import PROTON, basic_nitrogen


def protonated(plan: Plan, draw: np.random.Generator) -> Plan | None:
    """Return a plan with one more proton, on a random base, for each copy of its fragments; None if it has no base."""
    places = [number for number in range(len(plan.nodes)) if _is_base(plan, number)]
    if not places:
        return None
    chosen = places[int(draw.integers(len(places)))]
    nodes = list(plan.nodes)
    nodes[chosen] = replace(nodes[chosen], smiles=nodes[chosen].smiles + PROTON)
    return replace(plan, nodes=tuple(nodes))


def _is_base(plan: Plan, number: int) -> bool:
    """Whether a fragment is a base in its surroundings: amides and their kind are none."""
    smiles = plan.nodes[number].smiles
    if smiles not in BASES:
        return False
    nitrogen = basic_nitrogen(graph_of(smiles))
    return not any(
        order == 2 and atom in pair
        for fragment, atom in _joined_to(plan, number, nitrogen)
        for pair, order in graph_of(fragment).bonds.items()
    )


def _joined_to(plan: Plan, number: int, atom: int) -> Iterator[tuple[str, int]]:
    """Yield the fragments that are joined to an atom of a fragment, and the atoms of theirs that hold the bond."""
    node = plan.nodes[number]
    if node.parent >= 0 and holder(node.smiles, node.end) == atom:
        parent = plan.nodes[node.parent].smiles
        yield parent, holder(parent, node.parent_end)
    for other in plan.nodes:
        if other.parent == number and holder(node.smiles, other.parent_end) == atom:
            yield other.smiles, holder(other.smiles, other.end)
