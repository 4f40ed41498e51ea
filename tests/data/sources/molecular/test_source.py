"""Random molecular crystals, judged by spglib and by pymatgen's list of neighbours."""

from __future__ import annotations

import re
import sys
from collections import Counter

import gemmi
import numpy as np
import pytest
import spglib
from pymatgen.core import Lattice, Structure

from phaselearn.data.screening import screen
from phaselearn.data.sources.molecular.fragments import conformer
from phaselearn.data.sources.molecular.source import Molecular
from phaselearn.data.split import split_of
from phaselearn.data.structures import Crystal
from phaselearn.errors import UserError
from tests.cli.folders import REPO

sys.path.insert(0, str(REPO / "benchmarks"))
from molecular_contacts import contacts

SETTINGS = {"count": 24, "seed": 0, "cell": "primitive", "atoms": [6, 30], "hydrogen": True}
# Å; Bondi, J. Phys. Chem. 68, 441 (1964).
RADII = {5: 1.92, 6: 1.70, 7: 1.55, 8: 1.52, 9: 1.47, 14: 2.10, 15: 1.80, 16: 1.80, 17: 1.75, 35: 1.85, 53: 1.98}
ANIONS = {"Cl1", "Br1", "I1", "Cl1O4", "B1F4", "F6P1", "N1O3"}
SOLVENTS = {
    *("H2O1", "C1H4O1", "C2H6O1", "C1Cl2H2", "C1Cl3H1", "C2H3N1"),
    *("C3H7N1O1", "C2H6O1S1", "C7H8", "C6H6", "C4H8O1"),
}
ACCEPTORS = {7, 8, 9, 16, 17, 35, 53}


def source(**changes) -> Molecular:
    return Molecular(**(SETTINGS | changes))


@pytest.fixture(scope="module")
def crystals() -> list[Crystal]:
    return list(source())


def same(first: Crystal, second: Crystal) -> bool:
    return first.id == second.id and np.array_equal(first.positions, second.positions)


def test_molecules_keep_their_distance_and_touch(crystals: list[Crystal]) -> None:
    """By van der Waals radii, less what close contacts of real crystals have; hydrogen bonds alone are shorter."""
    for crystal in crystals:
        pairs, distances, _ = contacts(crystal)
        for (i, j), distance in zip(pairs.tolist(), distances.tolist(), strict=True):
            one, other = int(crystal.numbers[i]), int(crystal.numbers[j])
            if one > 1 and other > 1:
                assert distance > RADII[one] + RADII[other] - 0.5, (crystal.id, one, other)
            else:
                assert distance > (1.65 if {one, other} & ACCEPTORS else 1.9), (crystal.id, one, other)
        touching = {i for (i, _), distance in zip(pairs.tolist(), distances.tolist(), strict=True) if distance < 3.2}
        assert len(touching) > 0.3 * len(crystal.numbers)


def formulas(crystal: Crystal) -> Counter[str]:
    """Return how many molecules and ions of which formula a crystal holds, as covalent radii tell them apart."""
    found = contacts(crystal)[2]
    names = []
    for molecule in range(found.max() + 1):
        counts = Counter(gemmi.Element(int(number)).name for number in crystal.numbers[found == molecule])
        names.append("".join(f"{name}{counts[name]}" for name in sorted(counts)))
    return Counter(names)


def electrons(formula: str) -> int:
    """Return the sum of the atomic numbers of a formula."""
    return sum(
        gemmi.Element(name).atomic_number * int(count) for name, count in re.findall(r"([A-Z][a-z]?)(\d+)", formula)
    )


def test_charges_are_balanced_and_solvents_are_whole() -> None:
    """A neutral molecule has an even number of electrons, so one with an odd sum of atomic numbers has a charge of one.

    A molecule on a special position that holds two protons more is even again; it has two anions.
    """
    seen: Counter[str] = Counter()
    for crystal in source(count=60, atoms=[6, 14]):
        held = formulas(crystal)
        anions = sum(held[name] for name in ANIONS)
        others = {name: count for name, count in held.items() if name not in ANIONS | SOLVENTS}
        assert len(others) == 1, (crystal.id, held)
        ((name, count),) = others.items()
        if electrons(name) % 2:
            assert anions == count, (crystal.id, held)
        else:
            assert anions in (0, 2 * count), (crystal.id, held)
        seen.update({"salts": anions > 0, "hydrates": held["H2O1"] > 0, "solvates": bool(SOLVENTS & held.keys())})
        assert all(2 * held[name] % count == 0 for name in SOLVENTS), (crystal.id, held)
    assert seen["salts"] >= 2
    assert seen["hydrates"] >= 4
    assert 10 <= seen["solvates"] <= 30


def test_the_space_group_is_the_drawn_one(crystals: list[Crystal]) -> None:
    for crystal in crystals:
        found = spglib.get_symmetry_dataset((crystal.lattice, crystal.positions, crystal.numbers), symprec=0.01)
        assert found.number == crystal.space_group, crystal.id


def test_molecules_need_the_room_that_they_have_in_crystals(crystals: list[Crystal]) -> None:
    rooms = [abs(np.linalg.det(crystal.lattice)) / (crystal.numbers > 1).sum() for crystal in crystals]
    assert 17 < np.median(rooms) < 20.5
    assert min(rooms) > 12
    assert max(rooms) < 30
    assert not any(screen(crystals, longest_edge=60.0))


def test_displacements_are_within_bounds_and_equal_for_equivalent_atoms(crystals: list[Crystal]) -> None:
    for crystal in crystals:
        assert crystal.u_iso is not None
        assert crystal.u_iso.min() >= 0.01
        assert crystal.u_iso.max() <= 0.10
        found = spglib.get_symmetry_dataset((crystal.lattice, crystal.positions, crystal.numbers), symprec=0.01)
        np.testing.assert_allclose(crystal.u_iso, crystal.u_iso[found.crystallographic_orbits])


def test_scaffolds_are_in_one_split(crystals: list[Crystal]) -> None:
    """The split is by formula, which for each crystal is drawn in the split of its scaffold."""
    assert all(split_of(crystal.formula) == split_of(crystal.prototype) for crystal in crystals)
    bare = source(hydrogen=False, count=6)
    assert all(split_of(crystal.formula) == split_of(crystal.prototype) for crystal in bare)


def test_a_crystal_depends_on_seed_and_number_alone(crystals: list[Crystal]) -> None:
    conformer.cache_clear()
    assert all(same(source(count=count).crystal(number), crystals[number]) for count, number in ((1, 5), (9, 20)))
    assert not np.array_equal(source(seed=1).crystal(3).lattice, crystals[3].lattice)
    assert source().crystal(10**15).id == "molecular-0-1000000000000000"


def test_cells_without_hydrogen() -> None:
    for crystal in source(hydrogen=False, count=4):
        assert crystal.numbers.min() > 1
        assert crystal.u_iso is not None
        assert len(crystal.u_iso) == len(crystal.numbers) == len(crystal.positions)


def test_conventional_cells(crystals: list[Crystal]) -> None:
    """The same crystal: as many atoms for each lattice point, the same distances, the same group."""
    centred = next(number for number, crystal in enumerate(crystals) if crystal.space_group in (5, 9, 15, 43, 148))
    for number in (0, centred):
        primitive, crystal = crystals[number], source(cell="conventional").crystal(number)
        points = round(np.linalg.det(crystal.lattice) / np.linalg.det(primitive.lattice))
        assert len(crystal.numbers) == points * len(primitive.numbers)
        assert (points > 1) == (number == centred)
        found = spglib.get_symmetry_dataset((crystal.lattice, crystal.positions, crystal.numbers), symprec=0.01)
        assert found.number == primitive.space_group
        nearest = [
            np.sort(Structure(Lattice(each.lattice), each.numbers, each.positions).get_neighbor_list(2.0)[3])
            for each in (primitive, crystal)
        ]
        np.testing.assert_allclose(np.repeat(nearest[0], points), nearest[1], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"count": 0}, "at least 1"),
        ({"seed": -1}, "source.seed=-1"),
        ({"cell": "niggli"}, "allowed are primitive, conventional"),
        ({"atoms": [5, 20]}, r"source.atoms=\[5, 20\]"),
        ({"atoms": [30, 20]}, r"source.atoms=\[30, 20\]"),
        ({"atoms": [10]}, r"source.atoms=\[10\]"),
    ],
)
def test_wrong_settings(changes: dict, told: str) -> None:
    with pytest.raises(UserError, match=told):
        source(**changes)


def test_the_fingerprint_follows_the_settings() -> None:
    changes = [{}, {"count": 6}, {"seed": 1}, {"cell": "conventional"}, {"atoms": [6, 20]}, {"hydrogen": False}]
    assert len({source(**change).fingerprint() for change in changes}) == len(changes)
