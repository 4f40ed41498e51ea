"""Structures from SHELX .res: the same crystals as pymatgen's, and why others are left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from tests.data.sources.readers.structures import assert_same, read, reasons
from tests.measured.files import CALCITE_HEAD

CALCITE = Structure.from_spacegroup(
    "R-3c", Lattice.hexagonal(4.99, 17.06), ["Ca", "C", "O"], [[0, 0, 0], [0, 0, 0.25], [0.2573, 0, 0.25]]
)
SITES = """FVAR 1.0
Ca1 1 10.0 10.0 10.0 10.16667 0.01
C1 2 10.0 10.0 10.25 10.16667 0.01
O1 3 0.2573 10.0 10.25 10.5 0.02
HKLF 4
END
"""


def test_sites_are_repeated_by_the_symmetry(tmp_path: Path) -> None:
    (tmp_path / "a.res").write_text(CALCITE_HEAD + SITES)
    [entry] = read(tmp_path)
    assert_same(entry, CALCITE)


def test_shelxl_may_be_left_to_find_special_positions(tmp_path: Path) -> None:
    (tmp_path / "a.res").write_text(CALCITE_HEAD + SITES.replace("10.16667", "11.0").replace("10.5", "11.0"))
    [entry] = read(tmp_path)
    assert_same(entry, CALCITE)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", "CaCO3"),
        ("UNIT 6 6 18\n", "", "CaCO3"),  # as AIRSS writes it
        ("UNIT 6 6 18", "UNIT 6 6 17.99", "CaCO3"),
        ("UNIT 6 6 18", "UNIT 6 6 24", "atoms that do not add up to the stated formula"),
        ("UNIT 6 6 18", "UNIT 12 12 36", "atoms that do not add up to Z"),
        ("SFAC Ca C O\nUNIT 6 6 18", "SFAC Ca C O H\nUNIT 6 6 18 12", "hydrogen atoms without positions"),
        ("10.5 ", "10.25 ", "partial occupancy"),
        ("10.5 ", "10.45 ", "partial occupancy"),
        ("O1 3", "PART 1\nO1 3", "disorder groups"),
        ("4.99 4.99 17.06 90 90 120", "4.99 5.99 17.06 90 90 120", "operations that do not fit the cell"),
        ("SYMM Y, X, -Z+1/2\n", "", "operations that form no group"),
        ("Ca C O", "Ca C Xx", "unknown element"),
        ("HKLF 4", "nonsense", "not a file of SHELX that can be read"),
    ],
)
def test_what_is_a_crystal_and_what_is_not(tmp_path: Path, old: str, new: str, expected: str) -> None:
    text = CALCITE_HEAD + SITES
    assert old in text
    (tmp_path / "a.res").write_text(text.replace(old, new))
    [found] = reasons(tmp_path).values()
    assert expected in found
