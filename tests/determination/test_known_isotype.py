"""The known crystal that a structure is isotypic with: textbook structure types, in any setting."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import gemmi
import numpy as np
import pytest
import spglib

from phaselearn import solve
from phaselearn.determination import pipeline
from phaselearn.determination.known_isotype import KnownIsotype, known_isotype
from phaselearn.determination.listing import listing
from phaselearn.measured.reflection_data import ReflectionData
from phaselearn.solver.isotypes.known_crystals import PACKAGE, KnownCrystals
from tests.structure.samples import Crystal

# Structure types with parameters of no known crystal, some with elements that do not go together: the space group
# number, and the numbers of atoms of a formula unit, are those of the type.
TYPES = {
    "rock salt": Crystal("F m -3 m", (5.7, 5.7, 5.7, 90, 90, 90), ("Na", "Cl"), np.array([[0, 0, 0], [0.5] * 3])),
    "perovskite": Crystal(
        "P m -3 m", (4.1, 4.1, 4.1, 90, 90, 90), ("Y", "Mo", "S"), np.array([[0, 0, 0], [0.5] * 3, [0, 0.5, 0.5]])
    ),
    "rutile": Crystal(
        "P 42/m n m", (4.7, 4.7, 3.05, 90, 90, 90), ("Zr", "S"), np.array([[0, 0, 0], [0.303, 0.303, 0]])
    ),
    "spinel": Crystal(
        "F d -3 m:1",
        (8.6, 8.6, 8.6, 90, 90, 90),
        ("Zn", "Ga", "Se"),
        np.array([[0, 0, 0], [0.625] * 3, [0.387] * 3]),
    ),
    "wurtzite": Crystal(
        "P 63 m c", (4.3, 4.3, 7.0, 90, 90, 120), ("Ag", "F"), np.array([[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.377]])
    ),
}
SHARES = {"rock salt": [1, 1], "perovskite": [1, 1, 3], "rutile": [1, 2], "spinel": [1, 2, 4], "wurtzite": [1, 1]}


@cache
def known() -> KnownCrystals:
    return KnownCrystals.read(PACKAGE)


def atoms_of(crystal: Crystal) -> tuple[np.ndarray, np.ndarray]:
    elements, positions = crystal.atoms()
    return np.array([gemmi.Element(element).atomic_number for element in elements]), positions


def is_of_type(found: KnownIsotype | None, name: str) -> bool:
    """Return whether the known crystal has the space group, by spglib, and the ratio of atoms of a type."""
    assert found is not None
    row = list(known().names).index(found.name)
    numbers, positions = known().atoms(row)
    data = spglib.get_symmetry_dataset((known().lattice[row], positions, numbers), symprec=0.05)
    counts = np.sort(np.unique(numbers, return_counts=True)[1])
    group = gemmi.find_spacegroup_by_name(TYPES[name].symbol).number
    return data.number == group and (counts // counts[0]).tolist() == SHARES[name]


@pytest.mark.parametrize("name", TYPES)
def test_a_textbook_type_is_named_whatever_its_origin_axes_and_hand(name: str) -> None:
    numbers, positions = atoms_of(TYPES[name])
    axes = np.array([[0, 1, 0], [1, 1, 0], [0, 1, -1]])  # a basis of the same lattice, of the other hand
    moved = (positions - [0.13, 0.29, 0.41]) @ np.linalg.inv(axes) % 1
    found = known_isotype((numbers, moved), axes @ TYPES[name].lattice)
    assert is_of_type(found, name)
    assert found.deviation < 0.1
    assert "CC BY 4.0" in found.origin


@pytest.mark.parametrize("row", [7000, 14000, 21000])
def test_the_deviation_is_the_distance_by_which_atoms_were_moved(row: int) -> None:
    numbers, positions = known().atoms(row)
    lattice = known().lattice[row]
    moves = np.random.default_rng(row).normal(0, 0.03, (len(numbers), 3))  # Å
    found = known_isotype((numbers, positions + moves @ np.linalg.inv(lattice)), lattice)
    assert found is not None
    assert found.name == known().names[row]
    distance = np.sqrt(np.square(moves - moves.mean(0)).sum(1).mean())
    assert found.deviation == pytest.approx(distance, rel=0.05)


# One atom in the primitive cell, all |F| equal: copper; elements that do not occur together, in a type of few members.
@pytest.mark.parametrize(
    ("crystal", "kind"),
    [
        (Crystal("F m -3 m", (3.6, 3.6, 3.6, 90, 90, 90), ("Cu",), np.zeros((1, 3))), "A_225_a"),
        (Crystal("I m -3 m", (3.3, 3.3, 3.3, 90, 90, 90), ("Nb",), np.zeros((1, 3))), "A_229_a"),
    ],
    ids=["face-centred", "body-centred"],
)
def test_elements_are_named_in_their_conventional_cells(crystal: Crystal, kind: str) -> None:
    found = known_isotype(atoms_of(crystal), crystal.lattice)
    assert found is not None
    row = list(known().names).index(found.name)
    assert known().kinds[known().kind[row]] == kind


@pytest.mark.parametrize("row", [11000, 17000, 23000])
def test_elements_play_no_part(row: int) -> None:
    numbers, positions = known().atoms(row)
    others = np.random.default_rng(row).permutation(np.arange(3, 84))[: len(np.unique(numbers))]
    unlike = others[np.unique(numbers, return_inverse=True)[1]]
    found = known_isotype((unlike, positions), known().lattice[row])
    assert found is not None
    assert found.deviation < 0.3


def test_hydrogen_is_left_out_on_both_sides() -> None:
    row = list(known().names).index("mp-1190869")  # NaBH4
    numbers, positions = known().atoms(row)
    with_hydrogen = known_isotype((numbers, positions), known().lattice[row])
    without = known_isotype((numbers[numbers > 1], positions[numbers > 1]), known().lattice[row])
    assert with_hydrogen is not None
    assert with_hydrogen == without


def test_many_atoms_that_almost_repeat_are_no_known_crystal() -> None:
    # A wrong candidate of one element on a fine grid: pymatgen's own reduction of it would take a minute.
    grid = np.array([16, 2, 12])
    places = np.stack(np.meshgrid(*(np.arange(size) / size for size in grid), indexing="ij"), -1).reshape(-1, 3)
    lattice = np.diag(grid * 2.525)
    moved = places + np.random.default_rng(0).normal(0, 0.1, places.shape) @ np.linalg.inv(lattice)
    assert known_isotype((np.full(len(moved), 26), moved), lattice) is None


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), ValueError("of a library")])
def test_a_structure_is_kept_where_naming_it_fails(fault: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise fault

    monkeypatch.setattr(pipeline, "known_isotype", failing)
    result = solve(rutile(), seconds=30)
    assert result.solved
    assert result.isotype is None


@pytest.mark.parametrize("seed", range(4))
def test_atoms_without_order_are_of_no_known_type(seed: int) -> None:
    random = np.random.default_rng(seed)
    lattice = np.diag(random.uniform(6, 8, 3)) + random.uniform(-0.5, 0.5, (3, 3))
    assert known_isotype((random.integers(8, 60, 14), random.random((14, 3))), lattice) is None


def test_atoms_at_one_place_are_of_no_known_type() -> None:
    # spglib refuses such a cell.
    assert known_isotype((np.array([26, 26, 8]), np.zeros((3, 3))), 4 * np.eye(3)) is None


def test_no_atoms_are_of_no_type() -> None:
    assert known_isotype((np.zeros(0, np.int64), np.zeros((0, 3))), np.eye(3)) is None


def rutile() -> ReflectionData:
    """Return calculated intensities of a crystal of the rutile type."""
    crystal = TYPES["rutile"]
    hkl = crystal.reflections(0.8)
    intensity = np.abs(crystal.factors(hkl)) ** 2
    return ReflectionData(
        hkl=hkl.astype(np.int32),
        intensity=intensity,
        sigma=0.01 * intensity + 0.01 * intensity.mean(),
        experiment=crystal.experiment(),
        source="calculated",
    )


def test_a_solved_structure_names_the_crystal_that_it_is_isotypic_with() -> None:
    result = solve(rutile(), seconds=30)
    assert result.solved
    assert is_of_type(result.isotype, "rutile")
    assert f"isotypic with {result.isotype.formula} ({result.isotype.name})" in listing(result, None)
    assert "isotypic" not in listing(replace(result, isotype=None), None)
