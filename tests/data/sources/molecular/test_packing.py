"""Packing of molecules on sites of every symmetry, judged by spglib."""

from __future__ import annotations

import numpy as np
import pytest
import spglib

from phaselearn.data.sources.molecular.grammar import Skeleton
from phaselearn.data.sources.molecular.molecule import build
from phaselearn.data.sources.molecular.packed_cell import packed_cell


@pytest.mark.parametrize(
    ("group", "symmetry", "molecules"),
    [
        (2, "inversion", 1),
        (14, "inversion", 2),
        (15, "twofold", 2),
        (62, "mirror", 4),
        (14, "none", 4),
        (19, "none", 4),
    ],
)
def test_molecules_are_on_sites_of_their_symmetry(group: int, symmetry: str, molecules: int) -> None:
    """As many in the primitive cell as the site has, and by spglib the group that was asked for."""
    draw = np.random.default_rng(group)
    cell = molecule = None
    while cell is None:
        molecule = build(Skeleton((8, 14), symmetry, draw).decorated(), draw)
        cell = packed_cell(group, symmetry, [molecule], [], draw) if molecule is not None else None
    assert molecule is not None
    assert len(cell.numbers) == molecules * len(molecule.numbers)
    found = spglib.get_symmetry_dataset((cell.lattice, cell.positions, cell.numbers), symprec=0.01)
    assert found.number == group
