"""Data blocks of a CIF with several lists of reflections."""

from __future__ import annotations

from pathlib import Path

import pytest

from phaselearn.errors import UserError
from phaselearn.measured.readers import read_reflections
from tests.measured.files import CELL, CIF_HEAD, cif_loop, hklf, write

LOOP = cif_loop("_refln_", "F_squared_meas", "F_squared_sigma")


def blocks(*names: str) -> str:
    """Return a CIF whose cells differ: a is 6 Å in the first block, 7 Å in the second."""
    heads = [
        CIF_HEAD.replace("data_crystal", f"data_{name}").replace("6.1000(12)", str(edge))
        for edge, name in enumerate(names, 6)
    ]
    return "".join(head + LOOP for head in heads)


def test_blocks_of_one_name_are_told_apart_by_number(tmp_path: Path) -> None:
    path = write(tmp_path, "a.cif", blocks("x", "X"))
    for block in (None, "x"):
        with pytest.raises(UserError, match=r"x, X; block=1 takes the first, and so on"):
            read_reflections(path, block=block)
    assert [read_reflections(path, block=number).experiment.cell[0] for number in ("1", "2")] == [6, 7]
    with pytest.raises(UserError, match="data blocks with reflections named 3: none; allowed are x, X"):
        read_reflections(path, block="3")


def test_a_name_stands_above_a_number(tmp_path: Path) -> None:
    path = write(tmp_path, "a.cif", blocks("2", "1"))
    assert read_reflections(path, block="1").experiment.cell[0] == 7


def test_a_number_is_taken_as_it_is(tmp_path: Path) -> None:
    assert read_reflections(write(tmp_path, "a.cif", blocks("x", "y")), block=2).experiment.cell[0] == 7


def test_a_block_of_a_file_without_blocks_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "a.hkl", hklf())
    with pytest.raises(UserError, match=r"a\.hkl: not a CIF, and other files have no data blocks; leave block=x out"):
        read_reflections(path, cell=CELL, block="x")
