"""Centrings, screw axes and glide planes, found from weak reflections."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest

from phaselearn.measured.absences import absence_table, choose_centring
from phaselearn.measured.cells import Cell
from phaselearn.measured.centring import CENTRINGS, allowed_by
from tests.measured.samples import MEASURED_SETS, intensities, measured_set, observed, reflections_within, selected

CELL: Cell = (7, 8, 9, 90, 90, 90)
GROUPS = {
    "P": ("P 2 2 2", CELL),
    "A": ("A 1 2 1", (7, 8, 9, 90, 100, 90)),
    "B": ("B 1 2 1", CELL),
    "C": ("C 1 2/c 1", (7, 8, 9, 90, 100, 90)),
    "I": ("I 21 21 21", CELL),
    "F": ("F d d 2", CELL),
    "R obverse": ("R 3:H", (7, 7, 12, 90, 90, 120)),
}


def operation(triplet: str) -> tuple[np.ndarray, np.ndarray]:
    found = gemmi.Op(triplet)
    return np.array(found.rot) // gemmi.Op.DEN, np.array(found.tran) / gemmi.Op.DEN


@pytest.mark.parametrize("symbol", GROUPS)
def test_centrings_are_found_with_their_absences_in_the_list_or_without(symbol: str) -> None:
    name, cell = GROUPS[symbol]
    hkl = reflections_within(cell, 1.0)
    data = observed(hkl, intensities(hkl, cell, name), cell)
    choice = choose_centring(data)
    assert (choice.symbol, choice.listed) == (symbol, True)
    listed = choose_centring(selected(data, allowed_by(CENTRINGS[symbol], hkl)))
    assert (listed.symbol, listed.listed) == (symbol, symbol == "P")


def test_the_reverse_setting_is_told_from_the_obverse() -> None:
    _, cell = GROUPS["R obverse"]
    hkl = reflections_within(cell, 1.0)
    true = intensities(hkl * [-1, -1, 1], cell, "R 3:H")
    assert choose_centring(observed(hkl, true, cell)).symbol == "R reverse"


@pytest.mark.parametrize("ratio", [0.05, 0.2])
def test_weak_reflections_of_a_superstructure_are_no_absences(ratio: float) -> None:
    hkl = reflections_within(CELL, 1.0)
    body, whole = (intensities(hkl, CELL, group, seed=4) for group in ("I 2 2 2", "P 2 2 2"))
    mixed = np.square(np.sqrt(body) + np.sqrt(ratio * body.mean() / whole.mean()) * np.sqrt(whole))
    assert choose_centring(observed(hkl, mixed, CELL)).symbol == "P"


def test_the_conditions_are_those_of_gemmi() -> None:
    hkl = reflections_within((5, 5, 5, 90, 90, 90), 0.8)
    for symbol, name in {
        "A": "A 1 2 1",
        "B": "B 1 1 2",
        "C": "C 1 2 1",
        "I": "I 1 2 1",
        "F": "F 2 2 2",
        "P": "P 1",
    }.items():
        group = gemmi.SpaceGroup(name).operations()
        expected = [not group.is_systematically_absent(row) for row in hkl.tolist()]
        assert allowed_by(CENTRINGS[symbol], hkl).tolist() == expected


@pytest.mark.parametrize("name", ["P 1 21/c 1", "P 1 21/n 1", "P 21 21 21", "P n a 21", "P 41 21 2", "I 41/a"])
def test_the_table_counts_what_gemmi_calls_absent(name: str) -> None:
    cell = (7, 7, 9, 90, 90, 90)
    hkl = reflections_within(cell, 1.0)
    data = observed(hkl, intensities(hkl, cell, name), cell)
    group = gemmi.SpaceGroup(name).operations()
    operations = [operation(one.triplet()) for one in group]
    table = absence_table(data, operations)
    absent = np.array([group.is_systematically_absent(row) for row in hkl.tolist()])
    by_table = np.zeros(len(hkl), dtype=bool)
    for (rotation, shift), row in zip(operations, table, strict=True):
        forbidden = (hkl @ rotation == hkl).all(1) & (np.abs((hkl @ shift) - np.round(hkl @ shift)) > 0.01)
        assert row.forbidden == forbidden.sum()
        by_table |= forbidden
        if row.forbidden:
            assert abs(row.forbidden_i_over_sigma) < 1 < row.allowed_i_over_sigma
            assert row.obeyed in (True, None)
    np.testing.assert_array_equal(by_table, absent)


def test_an_operation_that_the_crystal_lacks_is_contradicted() -> None:
    cell = (7, 8, 9, 90, 100, 90)
    hkl = reflections_within(cell, 1.0)
    data = observed(hkl, intensities(hkl, cell, "P 1 21/c 1"), cell)
    screw, glide_c, glide_n, glide_a, twofold = absence_table(
        data, [operation(one) for one in ("-x,y+1/2,-z", "x,-y,z+1/2", "x+1/2,-y,z+1/2", "x+1/2,-y,z", "-x,y,-z")]
    )
    assert [one.obeyed for one in (screw, glide_c, glide_n, glide_a)] == [True, True, False, False]
    assert (twofold.forbidden, twofold.obeyed) == (0, None)
    assert np.isnan(twofold.forbidden_i_over_sigma)


@pytest.mark.parametrize("name", MEASURED_SETS)
def test_the_centring_of_measured_crystals_is_the_published_one(name: str) -> None:
    data, published = measured_set(name)
    assert choose_centring(data).symbol == published["space_group_name"][0]
