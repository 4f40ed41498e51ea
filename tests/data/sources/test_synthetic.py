"""Random crystals: symmetry by spglib, distances by pymatgen, and that crystal i depends on seed and i alone."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from itertools import islice

import gemmi
import numpy as np
import pytest
import spglib
from pymatgen.core import Element, Lattice, Structure

from phaselearn.data.screening import screen
from phaselearn.data.sources.space_groups import random_cell, weights
from phaselearn.data.sources.synthetic import Synthetic
from phaselearn.data.sources.wyckoff import primitive_vectors, wyckoff_positions
from phaselearn.data.split import split_of
from phaselearn.data.structures import Crystal
from phaselearn.errors import UserError

SETTINGS = {"count": 40, "seed": 0, "cell": "primitive", "space_groups": "inorganic", "atoms": [2, 30], "closest": 0.8}
DIGEST = """
import hashlib
from phaselearn.data.sources.synthetic import Synthetic
source = Synthetic(1, 0, "primitive", "inorganic", [2, 30], 0.8)
print(hashlib.sha256(b"".join(source.crystal(i).positions.tobytes() for i in (7, 3))).hexdigest())
"""


def source(**changes) -> Synthetic:
    return Synthetic(**(SETTINGS | changes))


@pytest.fixture(scope="module")
def crystals() -> list[Crystal]:
    return list(source())


def same(first: Crystal, second: Crystal) -> bool:
    return first.id == second.id and np.array_equal(first.positions, second.positions)


# Numbers of Wyckoff letters in the International Tables.
LETTERS = {1: 1, 2: 9, 14: 5, 47: 27, 62: 4, 123: 21, 166: 9, 167: 6, 186: 4, 194: 12, 205: 4, 220: 5}


@pytest.mark.parametrize("number", LETTERS)
def test_the_positions_are_those_of_the_international_tables(number: int) -> None:
    """Their number from the Tables, and their multiplicities by spglib on a crystal that has one of each in turn."""
    positions = wyckoff_positions(number)
    assert len(positions) == LETTERS[number]
    draw = np.random.default_rng(number)
    lattice = 20 * primitive_vectors(number) @ random_cell(number, draw)
    general = positions[0]
    for position in positions:
        orbits = [(general, 1), (general, 2), (position, 3)]
        points = [draw.random(3) @ orbit.projection.T + orbit.offset for orbit, _ in orbits]
        images = [
            point @ orbit.rotations.mT + orbit.translations for point, (orbit, _) in zip(points, orbits, strict=True)
        ]
        numbers = np.repeat([1, 2, 3], [len(each) for each in images])
        found = spglib.get_symmetry_dataset((lattice, np.concatenate(images), numbers), symprec=1e-4)
        assert found.number == number
        assert len(set(found.crystallographic_orbits[numbers == 3])) == 1
        assert len({found.site_symmetry_symbols[place] for place in np.flatnonzero(numbers == 3)}) == 1
        order = len(gemmi.find_spacegroup_by_number(number).operations().sym_ops)
        assert position.multiplicity * _site_order(found, int(np.flatnonzero(numbers == 3)[0]), images[2][0]) == order


def _site_order(found, atom: int, point: np.ndarray) -> int:
    moved = found.rotations @ point + found.translations - point
    return int((np.abs(moved - np.round(moved)).max(1) < 1e-5).sum())


@pytest.mark.parametrize("number", [2, 9, 15, 40, 62, 88, 120, 148, 167, 194, 199, 216, 227])
def test_cells_have_the_symmetry_of_the_group(number: int) -> None:
    """Every rotation of the group leaves the metric as it is, and the primitive cell holds its share of the volume."""
    draw = np.random.default_rng(number)
    lattice = random_cell(number, draw)
    assert np.linalg.det(lattice) == pytest.approx(1)
    metric = lattice @ lattice.T
    operations = gemmi.find_spacegroup_by_number(number).operations()
    for operation in operations.sym_ops:
        rotation = np.array(operation.rot) / gemmi.Op.DEN
        np.testing.assert_allclose(rotation.T @ metric @ rotation, metric, atol=1e-9)
    assert np.linalg.det(primitive_vectors(number)) == pytest.approx(1 / len(operations.cen_ops))


@pytest.mark.parametrize("kind", ["inorganic", "uniform"])
def test_the_drawn_group_is_there(kind: str) -> None:
    """By spglib, or one with more symmetry: every operation that was meant maps the crystal onto itself."""
    exact = 0
    for number in range(30):
        group, (lattice, positions, numbers) = source(space_groups=kind).draw(np.random.default_rng([5, number]))
        found = spglib.get_symmetry_dataset((lattice, positions, numbers), symprec=0.01)
        exact += found.number == group
        rotations, translations = wyckoff_positions(group)[0].rotations, wyckoff_positions(group)[0].translations
        assert len(found.rotations) >= len(rotations)
        theirs = {tuple(rotation.ravel()) for rotation in found.rotations}
        assert {tuple(rotation.ravel()) for rotation in rotations.round().astype(int)} <= theirs
        for rotation, translation in zip(rotations, translations, strict=True):
            away = (positions @ rotation.T + translation)[:, None] - positions
            near = np.linalg.norm((away - np.round(away)) @ lattice, axis=-1) < 1e-4
            assert (near & (numbers[:, None] == numbers)).any(1).all()
    assert exact > 20


def test_no_two_atoms_are_too_close(crystals: list[Crystal]) -> None:
    """By pymatgen's list of neighbours; and so nothing is left to the screening of the sources."""
    assert not any(screen(crystals, longest_edge=60.0))
    for crystal in crystals:
        structure = Structure(Lattice(crystal.lattice), crystal.numbers, crystal.positions)
        first, second, _, distance = structure.get_neighbor_list(4.2)
        radii = np.array([gemmi.Element(int(number)).covalent_r for number in crystal.numbers])
        assert (distance >= 0.8 * (radii[first] + radii[second]) - 1e-6).all(), crystal.id


def test_numbers_of_atoms_elements_and_volumes(crystals: list[Crystal]) -> None:
    sizes = [len(crystal.numbers) for crystal in crystals]
    # A crystal may turn out to have a smaller primitive cell than its group has.
    assert np.mean(np.array(sizes) >= 2) > 0.9
    assert max(sizes) <= 30
    kinds = Counter(len(set(crystal.numbers)) for crystal in crystals)
    assert kinds.most_common(1)[0][0] == 3
    volumes = [abs(np.linalg.det(crystal.lattice)) / len(crystal.numbers) for crystal in crystals]
    assert 10 < np.median(volumes) < 50
    for crystal in crystals:
        atoms = Counter(Element.from_Z(int(number)).symbol for number in crystal.numbers)
        assert Structure(Lattice.cubic(1), list(atoms.elements()), [[0, 0, 0]] * len(crystal.numbers)).composition


def test_the_split_by_formula_works(crystals: list[Crystal]) -> None:
    splits = Counter(split_of(crystal.formula) for crystal in crystals)
    assert 0.65 < splits["train"] / len(crystals) < 0.92
    assert min(splits.values()) >= 2


def test_a_crystal_depends_on_seed_and_number_alone(crystals: list[Crystal]) -> None:
    assert all(same(*pair) for pair in zip(source(count=20), crystals, strict=False))
    assert same(source(count=1).crystal(33), crystals[33])
    assert not np.array_equal(source(seed=1).crystal(3).lattice, crystals[3].lattice)
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    told = subprocess.run(
        [sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True
    ).stdout
    expected = hashlib.sha256(b"".join(crystals[number].positions.tobytes() for number in (7, 3))).hexdigest()
    assert told.strip() == expected
    # Far beyond any store.
    assert source().crystal(10**15).id == "synthetic-0-1000000000000000"


def test_conventional_cells(crystals: list[Crystal]) -> None:
    for crystal, other in islice(zip(source(cell="conventional", count=20), crystals, strict=False), 20):
        assert crystal.formula == other.formula
        assert crystal.space_group == other.space_group
        assert len(crystal.numbers) % len(other.numbers) == 0


def test_weights() -> None:
    for kind in ("inorganic", "uniform"):
        assert weights(kind).shape == (230,)
        assert weights(kind).sum() == pytest.approx(1)
    assert weights("inorganic").argmax() == 225 - 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"count": 0}, "at least 1"),
        ({"seed": -1}, "source.seed=-1"),
        ({"cell": "niggli"}, "allowed are primitive, conventional"),
        ({"space_groups": "cubic"}, "allowed are inorganic, uniform"),
        ({"atoms": [5, 2]}, r"source.atoms=\[5, 2\]"),
        ({"atoms": [3]}, r"source.atoms=\[3\]"),
        ({"closest": 0.0}, "source.closest=0.0"),
    ],
)
def test_wrong_settings(changes: dict, told: str) -> None:
    with pytest.raises(UserError, match=told):
        source(**changes)


def test_the_fingerprint_follows_the_settings() -> None:
    changes = [{}, {"count": 6}, {"seed": 1}, {"space_groups": "uniform"}, {"atoms": [2, 9]}, {"closest": 0.7}]
    assert len({source(**change).fingerprint() for change in changes}) == len(changes)
    assert source().fingerprint() == source().fingerprint()
