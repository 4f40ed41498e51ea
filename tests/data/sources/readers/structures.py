"""Structures that the tests of readers write, and how the crystals that come back are compared with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from phaselearn.data.sources.folder import Folder
from phaselearn.data.structures import Crystal, LeftOut

# Its atoms one by one: pymatgen takes most of a second to apply the 192 operations of Fm-3m.
_CENTRED = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
SALT = Structure(Lattice.cubic(5.64), ["Na"] * 4 + ["Cl"] * 4, np.concatenate([_CENTRED, (_CENTRED + 0.5) % 1]))
QUARTZ = Structure.from_spacegroup(
    "P3_121", Lattice.hexagonal(4.91, 5.40), ["Si", "O"], [[0.4697, 0, 1 / 3], [0.4135, 0.2669, 0.4525]]
)
CORUNDUM = Structure.from_spacegroup(
    "R-3c", Lattice.hexagonal(4.76, 12.99), ["Al", "O"], [[0, 0, 0.3522], [0.3062, 0, 0.25]]
)
ALLOY = Structure(Lattice.cubic(3.0), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
NEARLY = Structure(Lattice.cubic(3.0), [{"Cu": 0.9999}], [[0, 0, 0]])


def read(path: Path, cell: str = "as_given") -> list[Crystal | LeftOut]:
    """Return the entries of a file or a folder."""
    return list(Folder(str(path), "**/*", None, cell, "CC0", "nobody"))


def reasons(path: Path) -> dict[str, str]:
    """Return the formula or the reason of each entry."""
    return {entry.id: entry.reason if isinstance(entry, LeftOut) else entry.formula for entry in read(path)}


def amplitudes(lattice: np.ndarray, numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return |F| of point atoms, sorted, by the sum over them, for the indices from −3 to 3."""
    indices = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    factors = (numbers * np.exp(2j * np.pi * indices @ positions.T)).sum(1)
    return np.sort(np.abs(factors))


def assert_same(entry: Crystal | LeftOut, structure: Structure) -> None:
    """The entry is the crystal of the structure: by pymatgen's matcher and, in the same cell, by its amplitudes."""
    assert isinstance(entry, Crystal), entry
    found = Structure(Lattice(entry.lattice), entry.numbers, entry.positions)
    plain = Structure(structure.lattice, structure.atomic_numbers, structure.frac_coords)
    assert StructureMatcher(scale=False, ltol=1e-3, stol=0.01, angle_tol=0.1).fit(found, plain)
    if len(found) == len(plain):
        ours, theirs = (
            amplitudes(each.lattice.matrix, np.array(each.atomic_numbers), each.frac_coords) for each in (found, plain)
        )
        np.testing.assert_allclose(ours, theirs, atol=0.01 * theirs.max())
