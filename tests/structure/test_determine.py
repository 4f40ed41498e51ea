"""Space group, atoms and elements found again from disturbed phases, wherever the origin is and of whichever hand."""

from __future__ import annotations

import string
from dataclasses import replace

import gemmi
import numpy as np
import pytest

from phaselearn.measured.merging import merge
from phaselearn.measured.stated_symmetry import operations_named
from phaselearn.structure.candidate import Candidate
from phaselearn.structure.determine import determine
from phaselearn.structure.phased import PhasedFactors
from phaselearn.structure.space_group import SpaceGroup
from phaselearn.structure.space_groups import hypotheses
from tests.measured.samples import MEASURED_SETS, measured_set
from tests.structure.samples import Crystal, published_crystal, random_crystal
from tests.thinned import thinned

ORGANIC = ("S", "O", "O", "N", "C", "C", "C")
CRYSTALS = (
    random_crystal("P -1", (6.1, 7.2, 8.3, 81.0, 97.0, 104.0), ORGANIC, 1),
    random_crystal("P 1 21/c 1", (7.1, 6.2, 9.3, 90.0, 107.0, 90.0), ORGANIC, 2),
    random_crystal("P 1 21/n 1", (7.1, 6.2, 9.3, 90.0, 101.0, 90.0), ORGANIC, 3),
    random_crystal("P 21 21 21", (6.2, 7.3, 10.4, 90.0, 90.0, 90.0), ORGANIC, 4),
    random_crystal("C 1 2/c 1", (11.0, 6.5, 9.0, 90.0, 112.0, 90.0), ("S", "O", "N", "C"), 5, {"Zn": (0, 0.23, 0.25)}),
    random_crystal("I 1 2/a 1", (11.0, 6.5, 9.0, 90.0, 95.0, 90.0), ("S", "O", "N", "C"), 6),
    random_crystal("P n a 21", (9.2, 8.1, 7.3, 90.0, 90.0, 90.0), ORGANIC, 7),
    random_crystal("P 21 n b", (7.2, 8.1, 8.3, 90.0, 90.0, 90.0), ("Cl", "O", "C", "C"), 8),
    random_crystal("R -3 c:H", (9.0, 9.0, 14.0, 90.0, 90.0, 120.0), ("O",), 9, {"Ca": (0, 0, 0), "C": (0, 0, 0.25)}),
    random_crystal("R -3 c:R", (7.0, 7.0, 7.0, 62.0, 62.0, 62.0), ("O",), 21, {"Fe": (0, 0, 0)}),
    random_crystal("I 41/a:1", (8.0, 8.0, 11.0, 90.0, 90.0, 90.0), ("O",), 11, {"W": (0, 0, 0.5), "Ca": (0, 0, 0)}),
    random_crystal("I 41/a:2", (8.0, 8.0, 11.0, 90.0, 90.0, 90.0), ("S", "O"), 12),
    random_crystal("F m -3 m", (5.64, 5.64, 5.64, 90.0, 90.0, 90.0), (), 13, {"Na": (0, 0, 0), "Cl": (0.5, 0.5, 0.5)}),
)


def all_atoms(candidate: Candidate) -> tuple[list[str], np.ndarray]:
    """Elements and positions of the cell."""
    elements, positions = [], []
    for atom in candidate.atoms:
        images: list[np.ndarray] = []
        for image in candidate.space_group.rotations @ np.array(atom.xyz) + candidate.space_group.translations:
            if all(np.abs((image - other) - np.round(image - other)).max() > 1e-3 for other in images):
                images.append(image)
        assert len(images) == atom.multiplicity
        elements += [atom.element] * len(images)
        positions += images
    return elements, np.array(positions)


# The Laue class of each is that of another; P n a 21 is tried below, too.
ALIKE = {"P 1 21/n 1", "I 1 2/a 1", "P n a 21", "P 21 n b", "R -3 c:R", "I 41/a:2"}


@pytest.mark.parametrize(
    "crystal",
    thinned(CRYSTALS, lambda crystal: crystal.symbol not in ALIKE),
    ids=lambda crystal: crystal.symbol,
)
def test_space_group_atoms_and_elements_are_found_again(crystal: Crystal) -> None:
    d_min = 0.6 if crystal.symbol == "F m -3 m" else 0.85
    box, merged = crystal.phased(d_min, 25.0, 5), crystal.merged(d_min, 0.03, 6)
    best, *others = determine(box, merged, crystal.experiment())
    assert best.space_group.symbol == crystal.symbol.replace("/a:1", "/a:2")
    assert best.name == "a"
    assert [other.name for other in others] == [*string.ascii_lowercase[1:]][: len(others)]
    assert best.fit.r1 < 0.05
    assert crystal.found(*all_atoms(best), tolerance=0.1) == 1.0
    elements, _ = all_atoms(best)
    assert len(elements) == len(crystal.atoms()[0])


def test_elements_alone_are_enough() -> None:
    crystal = random_crystal("P 1 21/c 1", (7.1, 6.2, 9.3, 90.0, 107.0, 90.0), ("Cl", "Cl", "O", "O", "C", "C", "C"), 2)
    box, merged = crystal.phased(0.85, 20.0, 5), crystal.merged(0.85, 0.03, 6)
    best = determine(box, merged, crystal.experiment({"Cl": 0, "O": 0, "C": 0, "H": 0}))[0]
    assert best.space_group.number == 14
    assert crystal.found(*all_atoms(best), tolerance=0.1) == 1.0


def test_a_polar_crystal_whose_heavy_atoms_have_a_mirror_plane_keeps_its_group() -> None:
    """The positions are those of AlInN₂ (Materials Project mp-1247201, CC BY 4.0), whose R1 is 0.07 in P n a m."""
    sites = np.array(
        [[0.5909, 0.6236, 0.6266], [0.9239, 0.6256, 0.1293], [0.3956, 0.3526, 0.5321], [0.5592, 0.1028, 0.9810]]
    )
    crystal = Crystal("P n a 21", (5.763, 6.700, 5.411, 90.0, 90.0, 90.0), ("In", "Al", "N", "N"), sites)
    best = determine(
        crystal.phased(0.8, 30.0, 1), crystal.merged(0.8, 0.02, 2), crystal.experiment(crystal.contents())
    )[0]
    assert best.space_group.symbol == "P n a 21"
    assert crystal.found(*all_atoms(best), 0.05) == 1.0


@pytest.mark.parametrize("factor", [0.0, float("nan")])
def test_an_empty_map_shows_no_structure(factor: float) -> None:
    crystal = CRYSTALS[0]
    box = factor * crystal.phased(0.85, 20.0, 5)
    assert determine(box, crystal.merged(0.85, 0.03, 6), crystal.experiment({})) == []


@pytest.mark.parametrize("count", [0, 1, 12])
def test_a_handful_of_reflections_ends_without_an_error(count: int) -> None:
    crystal = CRYSTALS[1]
    merged = crystal.merged(0.85, 0.03, 6)
    columns = {name: getattr(merged, name)[:count] for name in ("hkl", "intensity", "sigma", "multiplicity")}
    found = determine(crystal.phased(0.85, 20.0, 5), replace(merged, **columns), crystal.experiment({}))
    assert all(candidate.reflections.hkl.shape[0] <= 4 * count for candidate in found)


@pytest.mark.parametrize(
    "crystal",
    thinned(
        [
            random_crystal(
                "P n a 21", (9.2, 8.1, 7.3, 90.0, 90.0, 90.0), ("O", "N", "C", "C"), 3, {"Br": (0.13, 0.21, 0)}
            ),
            random_crystal(
                "P 21", (6.2, 7.3, 9.4, 90.0, 101.0, 90.0), ("O", "N", "C", "C"), 3, {"I": (0.13, 0.25, 0.21)}
            ),
            random_crystal(
                "P 1", (6.2, 7.3, 8.4, 91.0, 101.0, 95.0), ("O", "N", "C", "C", "C", "C"), 3, {"I": (0, 0, 0)}
            ),
            random_crystal("P 4", (7.1, 7.1, 9.3, 90.0, 90.0, 90.0), ("C", "N", "O"), 3, {"Pt": (0, 0, 0)}),
        ],
        lambda crystal: crystal.symbol in ("P n a 21", "P 21"),
    ),
    ids=lambda crystal: crystal.symbol,
)
def test_the_symmetry_of_the_heavy_atoms_alone_does_not_win(crystal: Crystal) -> None:
    best = determine(crystal.phased(0.85, 25.0, 5), crystal.merged(0.85, 0.03, 6), crystal.experiment())[0]
    assert best.space_group.number == SpaceGroup.named(crystal.symbol).number
    assert crystal.found(*all_atoms(best), tolerance=0.1) == 1.0


@pytest.mark.parametrize(
    "contents",
    [
        pytest.param({"S": 2, "O": 4, "N": 2, "C": 6}, id="half the units"),
        pytest.param({"S": 8, "O": 16, "N": 8, "C": 24}, id="twice the units"),
        pytest.param({"S": 4, "O": 8, "N": 4, "C": 8}, id="an atom too few"),
        pytest.param({}, id="nothing"),
    ],
)
def test_wrong_or_missing_numbers_of_atoms_do_not_hide_the_structure(contents: dict[str, float]) -> None:
    crystal = CRYSTALS[1]
    best = determine(crystal.phased(0.85, 20.0, 5), crystal.merged(0.85, 0.03, 6), crystal.experiment(contents))[0]
    assert best.space_group.number == 14
    assert best.fit.r1 < 0.04
    _, positions = all_atoms(best)
    assert crystal.found(["*"] * len(positions), positions, tolerance=0.1) == 1.0
    assert len(positions) == len(crystal.atoms()[0])


def test_a_wrong_stated_group_does_not_hide_the_right_one() -> None:
    crystal = CRYSTALS[1]
    experiment = replace(crystal.experiment(), operations=operations_named("P n a 21"))
    best = determine(crystal.phased(0.85, 20.0, 5), crystal.merged(0.85, 0.03, 6), experiment)[0]
    assert best.space_group.number == 14


@pytest.mark.parametrize("subgroups", thinned([(2, 139, 216), (12, 69, 166, 202, 209)], lambda some: 2 in some))
def test_a_stated_group_is_tried_although_others_of_its_order_agree_better(subgroups: tuple[int, ...]) -> None:
    """Subgroups of F m -3 m."""
    crystal = CRYSTALS[-1]
    merged, phased = crystal.merged(0.6, 0.03, 6), PhasedFactors.of_box(crystal.phased(0.6, 25.0, 5))
    by_itself = {trial.group.number for trial in hypotheses(phased, merged, crystal.lattice)}
    left_out = {*subgroups} - by_itself
    assert left_out
    for number in left_out:
        trials = hypotheses(phased, merged, crystal.lattice, stated=number)
        assert {trial.group.number for trial in trials} == by_itself | {number}


def test_seconds_bound_the_search() -> None:
    crystal = CRYSTALS[1]
    found = determine(crystal.phased(0.85, 20.0, 5), crystal.merged(0.85, 0.03, 6), crystal.experiment(), seconds=0.0)
    assert len(found) == 1


@pytest.mark.parametrize("name", thinned(sorted(MEASURED_SETS), {"nacl", "cod_2016452", "epoxide"}.__contains__))
def test_published_atoms_of_measured_crystals_come_back(name: str) -> None:
    data, published = measured_set(name)
    operations = [gemmi.Op(text) for text in published["symmetry_operations"]]
    rotations = np.array([operation.rot for operation in operations]) // gemmi.Op.DEN
    merged = merge(data, np.unique(np.concatenate((rotations, -rotations)), axis=0))
    crystal = published_crystal(published)
    box = crystal.observed(merged, 20.0, 1)
    best = determine(box, merged, replace(data.experiment, contents=published["cell_contents"]))[0]
    assert best.space_group.number == published["space_group"]
    assert crystal.found(*all_atoms(best), tolerance=0.2) == 1.0
    assert len(all_atoms(best)[0]) == len(crystal.atoms()[0])
    assert best.fit.r1 < 0.15


def test_neutrons_see_hydrogen_and_titanium_as_holes() -> None:
    crystal = random_crystal(
        "P 1 21/c 1", (7.1, 6.2, 9.3, 90.0, 107.0, 90.0), ("Ti", "O", "O", "C", "H", "H"), 2, probe="neutron"
    )
    merged = crystal.merged(0.7, 0.02, 6)
    best = determine(crystal.phased(0.7, 20.0, 5), merged, crystal.experiment(wavelength=1.0))[0]
    assert best.space_group.number == 14
    assert crystal.found(*all_atoms(best), tolerance=0.1) == 1.0
