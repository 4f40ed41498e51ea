"""Solvents and anions, which crystals may hold besides their molecules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import TypeVar

import numpy as np

from phaselearn.data.sources.molecular.embedding import embed
from phaselearn.data.sources.molecular.molecule import Molecule
from phaselearn.data.sources.molecular.smiles import read_smiles

_Key = TypeVar("_Key")

# The shares are estimates: a third of organic crystals hold a solvent, and water is far commoner than any other.
_SOLVATES = 0.33
_SOLVENTS = {
    "O": 50, "CO": 9, "ClCCl": 8, "CCO": 5, "CC#N": 6, "ClC(Cl)Cl": 5, "CN(C)C=O": 4, "CS(=O)C": 3, "Cc1ccccc1": 3,
    "c1ccccc1": 3, "C1CCOC1": 4,
}  # fmt: skip
_SOLVENT_LOOSENESS = 1.5  # mean square displacement of solvents and anions, relative to that of the molecules
# An anion is a central atom and as many others around it: their elements, number and distance in Å (Allen et al.,
# International Tables C, table 9.5.1.1, 2006). The weights are estimates.
_ANIONS = {
    (17, 0, 0, 0.0): 40, (35, 0, 0, 0.0): 18, (53, 0, 0, 0.0): 7, (17, 8, 4, 1.41): 11, (5, 9, 4, 1.37): 7,
    (15, 9, 6, 1.58): 7, (7, 8, 3, 1.24): 10,
}  # fmt: skip
_TETRAHEDRON = np.array([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]) / math.sqrt(3)
_OCTAHEDRON = np.concatenate([np.eye(3), -np.eye(3)])
_TRIANGLE = np.array([(1, 0, 0), (-0.5, math.sqrt(0.75), 0), (-0.5, -math.sqrt(0.75), 0)])
_AROUND = {0: np.empty((0, 3)), 3: _TRIANGLE, 4: _TETRAHEDRON, 6: _OCTAHEDRON}


def draw_solvent(draw: np.random.Generator) -> Molecule | None:
    """Return a molecule of solvent, or None for the crystals that hold none."""
    return _solvent(_chosen(_SOLVENTS, draw)) if draw.random() < _SOLVATES else None


def draw_anion(draw: np.random.Generator) -> Molecule:
    """Return an anion of charge −1."""
    return _anion(*_chosen(_ANIONS, draw))


@cache
def _solvent(smiles: str) -> Molecule:
    graph = read_smiles(smiles)
    numbers, positions = np.array(graph.numbers), embed(graph, 0)
    positions = positions - positions[numbers > 1].mean(0)
    return Molecule(numbers, positions, np.array(list(graph.bonds)), np.full(len(numbers), _SOLVENT_LOOSENESS))


@cache
def _anion(centre: int, other: int, count: int, length: float) -> Molecule:
    numbers = np.array([centre] + [other] * count)
    positions = np.concatenate([np.zeros((1, 3)), length * _AROUND[count]])
    bonds = np.array([(0, number) for number in range(1, count + 1)], dtype=int).reshape(-1, 2)
    return Molecule(numbers, positions, bonds, np.full(len(numbers), _SOLVENT_LOOSENESS))


def _chosen(table: Mapping[_Key, float], draw: np.random.Generator) -> _Key:
    ends = np.cumsum(list(table.values()))
    return list(table)[int(np.searchsorted(ends, draw.random() * ends[-1]))]
