"""Lines about what is doubtful, and the distances that they rest on."""

from __future__ import annotations

from dataclasses import replace

import gemmi
import numpy as np
import pytest

from phaselearn.structure.composition import Composition
from phaselearn.structure.doubts import doubts, doubts_of_fit
from phaselearn.structure.model import Model
from phaselearn.structure.neighbours import nearest_neighbours
from phaselearn.structure.sites import Site
from phaselearn.structure.space_group import SpaceGroup

ROCK_SALT = SpaceGroup.named("F m -3 m")
CONTENTS = {"Na": 4.0, "Cl": 4.0}


def rock_salt() -> Model:
    places = {"Na": (0.0, 0.0, 0.0), "Cl": (0.5, 0.5, 0.5)}
    sites = [Site(np.array(place), 4, np.zeros((3, 0))) for place in places.values()]
    return Model.of_sites(sites, list(places), 0.02)


def doubts_of(edge: float, model: Model | None = None, contents: dict[str, float] | None = None) -> list[str]:
    composition = Composition.of(CONTENTS if contents is None else contents, edge**3, "xray")
    return list(doubts(model or rock_salt(), ROCK_SALT, edge * np.eye(3), composition))


def test_neighbours_are_those_of_gemmi() -> None:
    ratios = nearest_neighbours(("Na", "Cl"), rock_salt().positions, ROCK_SALT, 5.64 * np.eye(3))
    structure = gemmi.SmallStructure()
    structure.cell = gemmi.UnitCell(5.64, 5.64, 5.64, 90, 90, 90)
    structure.spacegroup = gemmi.find_spacegroup_by_name("F m -3 m")
    structure.setup_cell_images()
    distance = structure.cell.find_nearest_image(gemmi.Position(0, 0, 0), gemmi.Position(2.82, 2.82, 2.82)).dist()
    radii = sum(gemmi.Element(symbol).covalent_r for symbol in ("Na", "Cl"))
    assert ratios == pytest.approx([distance / radii] * 2)


def test_an_atom_alone_in_a_cell_is_its_own_neighbour() -> None:
    alone = nearest_neighbours(("Po",), np.zeros((1, 3)), SpaceGroup.named("P 1"), np.diag([3.4, 4.0, 5.0]))
    assert alone == pytest.approx([3.4 / (2 * gemmi.Element("Po").covalent_r)])


def test_a_sound_structure_leaves_no_doubt() -> None:
    assert doubts_of(5.64) == []


@pytest.mark.parametrize("factor", [0.7, 1.35])
def test_wrong_lengths_of_the_cell_are_noticed(factor: float) -> None:
    [line] = doubts_of(factor * 5.64)
    assert line.startswith("nearest neighbours are ")
    assert "lengths of the cell" in line


def test_numbers_that_do_not_fit_into_the_cell_are_noticed() -> None:
    [line] = doubts_of(5.64, contents={"Na": 400.0, "Cl": 400.0})
    assert line == "the stated atoms have 0 Å³ each, hydrogen left out: the cell, or their numbers, are wrong"


def test_an_atom_that_moves_far_more_than_the_others_may_be_disordered() -> None:
    moving = replace(rock_salt(), u_iso=np.array([0.02, 0.5]))
    model = rock_salt().joined(moving.selected(np.array([1])))
    [line] = doubts_of(5.64, model)
    assert line == "large displacements, perhaps disorder: Cl at 0.500 0.500 0.500"


def test_a_fit_worse_than_sigma_promises_is_noticed_unless_hydrogen_is_the_reason() -> None:
    composition = Composition.of(CONTENTS, 180.0, "xray")
    assert list(doubts_of_fit(1.5, composition)) == []
    [line] = doubts_of_fit(3.0, composition)
    assert line.startswith("the goodness of fit is 3.0")
    assert list(doubts_of_fit(3.0, Composition.of({"C": 4.0, "H": 8.0}, 180.0, "xray"))) == []
