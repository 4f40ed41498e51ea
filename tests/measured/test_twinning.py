"""Twins, made by adding intensities."""

from __future__ import annotations

import numpy as np
import pytest

from phaselearn.measured.cells import Cell
from phaselearn.measured.merging import merge
from phaselearn.measured.twinning import Twinning, look_for_twins
from tests.measured.samples import MEASURED_SETS, intensities, measured_set, observed, point_group, reflections_within

CELL: Cell = (9, 9, 11, 90, 90, 120)
LAW = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]])


def twinned(fraction: float, group: str = "P 3", atoms: int = 15) -> Twinning:
    hkl = reflections_within(CELL, 0.9)
    one, other = (intensities(part, CELL, group, atoms=atoms) for part in (hkl, hkl @ LAW))
    data = observed(hkl, (1 - fraction) * one + fraction * other, CELL, error=0.01)
    return look_for_twins(merge(data, point_group(group)))


@pytest.mark.parametrize("fraction", [0.15, 0.3, 0.45])
def test_the_fraction_of_a_twin_is_found(fraction: float) -> None:
    found = twinned(fraction)
    assert found.laws[0].fraction == pytest.approx(fraction, abs=0.03)
    assert found.laws[0].pairs > 200
    assert f"{found.laws[0].name} (about {found.laws[0].fraction:.0%})" in found.warnings[0]


def test_a_single_crystal_is_no_twin() -> None:
    found = twinned(0.0)
    assert found.warnings == ()
    assert found.mean_l == pytest.approx(0.5, abs=0.02)
    assert found.e_squared_minus_one == pytest.approx(0.736, abs=0.04)
    # The lattice is 6/mmm and the class -3: order 24 against 6.
    assert len(found.laws) == 3


def test_a_twin_of_equal_parts_shows_in_the_statistics_alone() -> None:
    hkl = reflections_within(CELL, 0.9)
    one, other = (intensities(part, CELL, "P 3", atoms=15) for part in (hkl, hkl @ LAW))
    merged = merge(observed(hkl, (one + other) / 2, CELL, error=0.01), point_group("P 3 2 1"))
    found = look_for_twins(merged)
    assert found.mean_l == pytest.approx(0.375, abs=0.02)
    assert found.e_squared_minus_one == pytest.approx(0.541, abs=0.04)
    assert "its Laue class lower than it seems" in found.warnings[-1]


def test_centrosymmetric_crystals_have_their_own_statistics() -> None:
    found = twinned(0.0, "P -3")
    assert found.mean_l == pytest.approx(2 / np.pi, abs=0.03)
    assert found.e_squared_minus_one == pytest.approx(0.968, abs=0.05)
    assert found.warnings == ()


def test_the_lattice_of_a_centred_cell_has_its_own_laws() -> None:
    cell = (7.0, 7.0, 7.0, 90, 90, 90)
    hkl = reflections_within(cell, 0.8)
    merged = merge(observed(hkl, intensities(hkl, cell, "C 2 2 2", atoms=8), cell), point_group("P m m m"))
    found = look_for_twins(merged)
    # Of the cubic cell with one face centred a tetragonal lattice is left.
    assert [law.name in ("2 along [1 1 0]", "2 along [1 -1 0]") for law in found.laws] == [True]


@pytest.mark.parametrize("name", MEASURED_SETS)
def test_measured_crystals_are_no_twins(name: str) -> None:
    data, published = measured_set(name)
    merged = merge(data, point_group(published["space_group_name"]))
    found = look_for_twins(merged)
    assert found.warnings == ()
