"""Instructions beside a .fcf or a CIF add what these do not state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from phaselearn.measured.readers import read_reflections
from tests.measured.files import CIF_HEAD, INS, Row, assert_rows, cif_loop, hklf, write

LOOP = cif_loop("_refln_", "F_squared_meas", "F_squared_sigma")
CELL_ALONE = "data_a\n" + "".join(f"{line}\n" for line in CIF_HEAD.splitlines() if line.startswith("_cell_"))
OF_ELECTRONS = INS.replace("CELL 0.71073", "CELL 0.0251")


@pytest.mark.parametrize("suffix", [".fcf", ".cif"])
def test_what_the_file_does_not_state_comes_from_the_instructions_beside_it(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path, f"a{suffix}", CELL_ALONE + LOOP, OF_ELECTRONS)
    data = read_reflections(path)
    assert_rows(data)
    assert (data.experiment.wavelength, data.experiment.probe) == (0.0251, "electron")
    assert data.experiment.contents == {"C": 16, "H": 24, "O": 8}
    assert read_reflections(write(tmp_path, f"b{suffix}", "data_b\n" + LOOP, INS)).experiment.cell[1] == 7.2


def test_the_file_stands_above_the_instructions_beside_it_but_not_above_named_ones(tmp_path: Path) -> None:
    path = write(tmp_path, "a.cif", CIF_HEAD + LOOP, OF_ELECTRONS)
    assert read_reflections(path).experiment.wavelength == 0.71073
    assert read_reflections(path, ins=path.with_suffix(".ins")).experiment.wavelength == 0.0251


@pytest.mark.parametrize(
    ("ins", "told"),
    [
        (OF_ELECTRONS.replace("0.0251 6.1", "0.0251 9.1"), ""),
        (OF_ELECTRONS.replace("HKLF 4", "HKLF 6"), "HKLF 6 is not read"),
        ("no instructions", "neither SHELX instructions with CELL nor a CIF"),
    ],
)
def test_instructions_of_another_crystal_and_damaged_ones_say_nothing(tmp_path: Path, ins: str, told: str) -> None:
    data = read_reflections(write(tmp_path, "a.fcf", CELL_ALONE + LOOP, ins))
    assert_rows(data)
    assert (data.experiment.wavelength, data.experiment.probe) == (None, "xray")
    assert len(data.warnings) == bool(told)
    assert told in "".join(data.warnings)


def test_hklf_does_not_change_how_a_fcf_is_read(tmp_path: Path) -> None:
    """The program that wrote it applied the matrix, and took the domains of a twin apart."""
    ins = INS.replace("HKLF 4", "HKLF 5 1 0 1 0 1 0 0 0 0 -1")
    rows: list[Row] = [(1, 0, 2, 30.0, 0.5), (2, 0, 4, 12.0, 0.4)]
    data = read_reflections(write(tmp_path, "a.fcf", hklf(rows, 180), ins))
    np.testing.assert_array_equal(data.hkl, [row[:3] for row in rows])
    np.testing.assert_allclose(data.intensity, [900, 144])
