"""Reflections in CIF and .fcf."""

from __future__ import annotations

import re
from pathlib import Path

import gemmi
import numpy as np
import pytest

from phaselearn.errors import UserError
from phaselearn.measured.readers import read_reflections
from tests.measured.files import CELL, CIF_HEAD, INS, ROWS, assert_rows, cif_loop, hklf, write


@pytest.mark.parametrize(
    ("prefix", "value", "sigma"),
    [
        ("_refln_", "F_squared_meas", "F_squared_sigma"),
        ("_refln_", "F_squared_meas", "F_squared_meas_su"),
        ("_refln.", "F_squared_meas", "F_squared_sigma"),
        ("_refln_", "intensity_meas", "intensity_sigma"),
        ("_refln_", "intensity_meas", "intensity_u"),
        ("_refln.", "intensity_meas", "intensity_sigma"),
        ("_diffrn_refln_", "intensity_net", "intensity_sigma"),
        ("_diffrn_refln_", "intensity_net", "intensity_u"),
        ("_diffrn_refln_", "counts_net", "counts_net_su"),
        ("_REFLN_", "f_squared_MEAS", "F_Squared_Sigma"),
    ],
)
def test_intensities_of_a_cif_under_every_name(tmp_path: Path, prefix: str, value: str, sigma: str) -> None:
    data = read_reflections(write(tmp_path, "a.cif", CIF_HEAD + cif_loop(prefix, value, sigma)))
    assert_rows(data)
    assert data.experiment.cell == CELL
    assert data.experiment.wavelength == 0.71073
    assert data.experiment.contents == {"C": 16, "H": 24, "O": 8}
    assert len(data.experiment.operations) == 4


def test_amplitudes_of_a_cif_become_intensities(tmp_path: Path) -> None:
    for value, sigma in (("F_meas", "F_sigma"), ("F_meas", "F_meas_sigma")):
        data = read_reflections(write(tmp_path, "a.cif", CIF_HEAD + cif_loop("_refln_", value, sigma)))
        np.testing.assert_allclose(data.intensity, [row[3] * abs(row[3]) for row in ROWS])


def test_calculated_columns_are_no_measurement(tmp_path: Path) -> None:
    text = CIF_HEAD + cif_loop("_refln_", "F_squared_calc", "F_squared_sigma")
    with pytest.raises(UserError, match="data blocks with reflections: none; a CIF with a list of reflections"):
        read_reflections(write(tmp_path, "a.cif", text))


@pytest.mark.parametrize("code", [3, 4, 6])
def test_fcf_of_shelxl(tmp_path: Path, code: int) -> None:
    head = f"#\n# h,k,l, Fo-squared and more\n#\n{CIF_HEAD}_shelx_refln_list_code {code}\n"
    columns = {
        3: ["F_meas", "F_sigma", "A_calc", "B_calc"],
        4: ["F_squared_calc", "F_squared_meas", "F_squared_sigma", "observed_status"],
        6: ["F_squared_meas", "F_squared_sigma", "F_calc", "phase_calc"],
    }[code]
    lines = []
    for h, k, index, value, sigma in ROWS:
        measured = {
            3: f"{abs(value) ** 0.5} {sigma} 1.0 -2.0",
            4: f"99.9 {value} {sigma} o",
            6: f"{value} {sigma} 10.0 180.0",
        }[code]
        lines.append(f"{h} {k} {index} {measured}")
    tags = [f"_refln_index_{index}" for index in "hkl"] + [f"_refln_{column}" for column in columns]
    data = read_reflections(write(tmp_path, "a.fcf", "\n".join([head, "loop_", *tags, *lines]) + "\n"))
    if code == 3:
        np.testing.assert_allclose(data.intensity, [abs(row[3]) for row in ROWS], rtol=1e-6)
    else:
        assert_rows(data)


def test_reflections_that_a_cif_marks_as_unreliable_are_left_out(tmp_path: Path) -> None:
    loop = cif_loop("_refln_", "F_squared_meas", "F_squared_sigma")
    loop = loop.replace("_refln_F_squared_sigma\n", "_refln_F_squared_sigma\n_refln_observed_status\n")
    for place, status in enumerate("o<xo"):
        row = " ".join(map(str, ROWS[place]))
        loop = loop.replace(row, f"{row} {status}")
    data = read_reflections(write(tmp_path, "a.cif", CIF_HEAD + loop))
    assert_rows(data, [ROWS[0], ROWS[1], ROWS[3]])
    assert data.warnings == ("1 of 4 rows were left out: the status x marks them as unreliable",)


def test_an_embedded_list_is_read_by_its_own_instructions(tmp_path: Path) -> None:
    res = INS.replace("HKLF 4", "HKLF 4 0.5").replace("0.71073", "0.5")
    text = f"{CIF_HEAD}_shelx_res_file\n;\n{res}\n;\n_shelx_res_checksum 1234\n"
    text += f"_shelx_hkl_file\n;\n{hklf()}  text after the end\n;\n_shelx_hkl_checksum 99999\n"
    data = read_reflections(write(tmp_path, "a.cif", text + cif_loop("_refln_", "F_meas", "F_sigma")))
    assert_rows(data, [(*row[:3], row[3] / 2, row[4] / 2) for row in ROWS])
    # The CIF's own statement is newer than the one of the instructions.
    assert data.experiment.wavelength == 0.71073


def test_the_block_with_reflections_is_found_and_others_complete_it(tmp_path: Path) -> None:
    reflections = "data_refl\n" + cif_loop("_refln_", "F_squared_meas", "F_squared_sigma")
    path = write(tmp_path, "a.cif", f"data_global\n_journal_year 2026\n{reflections}\n{CIF_HEAD}")
    data = read_reflections(path)
    assert_rows(data)
    assert (data.experiment.cell, data.experiment.contents["C"]) == (CELL, 16)


def test_of_two_blocks_with_reflections_one_must_be_named(tmp_path: Path) -> None:
    loop = cif_loop("_refln_", "F_squared_meas", "F_squared_sigma")
    other = CIF_HEAD.replace("data_crystal", "data_warm").replace("6.1000(12)", "6.2")
    path = write(tmp_path, "a.cif", CIF_HEAD + loop + other + loop)
    with pytest.raises(UserError, match="data blocks with reflections: crystal, warm; block=NAME takes one"):
        read_reflections(path)
    assert read_reflections(path, block="warm").experiment.cell[0] == 6.2
    with pytest.raises(UserError, match="data blocks with reflections named cold: none"):
        read_reflections(path, block="cold")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("6.1000(12)", "6.1O", "the cell ‘6.1O 7.2000(14) 8.3000(16) 90 104.50(3) 90’ of data_crystal cannot be read"),
        ("_cell_length_a 6.1000(12)\n", "", "the cell ‘? 7.2000(14)"),
        ("104.50(3)", "184.50(3)", "an angle outside of 0 to 180°"),
    ],
)
def test_a_cell_that_cannot_be_read_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    text = CIF_HEAD.replace(old, new) + cif_loop("_refln_", "F_squared_meas", "F_squared_sigma")
    with pytest.raises(UserError, match=re.escape(told)):
        read_reflections(write(tmp_path, "a.cif", text))


def test_a_bad_cell_is_not_replaced_by_that_of_another_block(tmp_path: Path) -> None:
    loop = cif_loop("_refln_", "F_squared_meas", "F_squared_sigma")
    text = CIF_HEAD.replace("6.1000(12)", "?.?") + loop + CIF_HEAD.replace("data_crystal", "data_other")
    with pytest.raises(UserError, match="data_crystal cannot be read"):
        read_reflections(write(tmp_path, "a.cif", text))


def test_a_loop_without_an_index_and_loops_of_unequal_lengths_are_no_traceback(tmp_path: Path) -> None:
    loop = cif_loop("_refln_", "F_squared_meas", "F_squared_sigma")
    with pytest.raises(UserError, match="no reflection with a positive intensity"):
        read_reflections(write(tmp_path, "a.cif", CIF_HEAD + loop.replace("_refln_index_k", "_refln_other")))
    twice = CIF_HEAD + loop + "loop_\n_refln_index_k\n_refln_index_l\n1 1\n"
    assert_rows(read_reflections(write(tmp_path, "b.cif", twice)))


@pytest.mark.parametrize("name", ["I 41/a m d:2", "I 1 2/a 1", "F d -3 m:2", "P n n n:2", "R -3 m:H"])
def test_the_operations_of_unusual_settings_are_those_of_the_file(tmp_path: Path, name: str) -> None:
    operations = [operation.triplet() for operation in gemmi.SpaceGroup(name).operations()]
    head = CIF_HEAD[: CIF_HEAD.index("'x, y, z'")] + "\n".join(f"'{one}'" for one in operations) + "\n"
    text = head + cif_loop("_refln_", "F_squared_meas", "F_squared_sigma")
    found = read_reflections(write(tmp_path, "a.cif", text)).experiment.operations
    assert set(found) == set(operations)


@pytest.mark.parametrize(
    "tag", ["_space_group_name_H-M_alt", "_space_group_name_H-M_full", "_symmetry_space_group_name_H-M"]
)
@pytest.mark.parametrize(("name", "setting"), [("P 2_1/n", "P 1 21/n 1"), ("P 21/b 21/c 21/a", "P b c a")])
def test_a_symbol_stands_for_operations_that_are_not_listed(tmp_path: Path, tag: str, name: str, setting: str) -> None:
    head = CIF_HEAD[: CIF_HEAD.index("loop_")] + f"{tag} '{name}'\n"
    text = head + cif_loop("_refln_", "F_squared_meas", "F_squared_sigma")
    found = read_reflections(write(tmp_path, "a.cif", text)).experiment.operations
    assert set(found) == {operation.triplet() for operation in gemmi.SpaceGroup(setting).operations()}


@pytest.mark.parametrize("missing", ["-1", "-1.0", "?", "."])
def test_what_was_not_measured_is_left_out(tmp_path: Path, missing: str) -> None:
    rows = [*ROWS, (3, 0, 1, 0, 0)]
    loop = cif_loop("_refln_", "F_squared_meas", "F_squared_sigma", rows).replace(
        "3 0 1 0 0", f"3 0 1 {missing} {missing}"
    )
    data = read_reflections(write(tmp_path, "a.cif", CIF_HEAD + loop))
    assert_rows(data)
    assert "1 of 5 rows were left out" in data.warnings[0]


def test_bracketed_uncertainties_are_sigma(tmp_path: Path) -> None:
    loop = "loop_\n_refln_index_h\n_refln_index_k\n_refln_index_l\n_refln_F_squared_meas\n"
    path = write(tmp_path, "a.cif", CIF_HEAD + loop + "1 0 0 12.34(56)\n2 0 0 123(4)\n0 1 1 -0.5(6)\n")
    assert_rows(read_reflections(path), [(1, 0, 0, 12.34, 0.56), (2, 0, 0, 123, 4), (0, 1, 1, -0.5, 0.6)])


def test_a_cif_with_long_comments_and_instructions_in_it_is_a_cif(tmp_path: Path) -> None:
    text = "# a line that a journal put here\n" * 40 + CIF_HEAD + f"_shelx_res_file\n;\n{INS};\n"
    text += f"_shelx_hkl_file\n;\n{hklf()};\n"
    assert_rows(read_reflections(write(tmp_path, "a.cif", text)))
