"""Reflections that a CIF lists beside others: of mates, satellites, phases, wavelengths, blocks, embedded files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from phaselearn.errors import UserError
from phaselearn.measured.readers import read_reflections
from tests.measured.files import CELL, CIF_HEAD, INS, ROWS, assert_rows, cif_loop, hklf, write

LOOP = cif_loop("_refln_", "F_squared_meas", "F_squared_sigma")
MEASURED = ["F_squared_meas", "F_squared_sigma"]


def loop_of(columns: list[str], rows: Sequence[tuple[object, ...]], prefix: str = "_refln_") -> str:
    """Return a loop; names that begin with an underscore stand as they are."""
    tags = [name if name.startswith("_") else prefix + name for name in ("index_h", "index_k", "index_l", *columns)]
    return "\n".join(["loop_", *tags, *(" ".join(map(str, row)) for row in rows)]) + "\n"


def two_each(first: object, second: object) -> list[tuple[object, ...]]:
    """Return every row twice, with a mark before its intensity; the second is a tenth."""
    both: list[tuple[object, ...]] = []
    for h, k, index, value, sigma in ROWS:
        both += [(h, k, index, first, value, sigma), (h, k, index, second, value / 10, sigma)]
    return both


def test_a_named_cif_says_how_its_reflections_are_read_as_an_ins_does(tmp_path: Path) -> None:
    text = hklf()
    for number, hklf_line in enumerate(("HKLF 4 1 0 1 0 1 0 0 0 0 -1", "HKLF 3")):
        res = INS.replace("HKLF 4", hklf_line)
        by_ins = read_reflections(write(tmp_path, f"ins{number}.hkl", text, res))
        known = write(tmp_path, f"{number}.cif", f"{CIF_HEAD}_shelx_res_file\n;\n{res};\n")
        by_cif = read_reflections(write(tmp_path, f"cif{number}.hkl", text), ins=known)
        np.testing.assert_array_equal(by_cif.hkl, by_ins.hkl)
        np.testing.assert_array_equal(by_cif.intensity, by_ins.intensity)


@pytest.mark.parametrize("tag", ["_iucr_refine_fcf_details", "_shelx_fcf_file", "_iucr_refine_reflections_details"])
def test_an_embedded_fcf_is_read(tmp_path: Path, tag: str) -> None:
    fcf = "#\n# h,k,l, Fc-squared, Fo-squared\n#\n" + CIF_HEAD + LOOP
    data = read_reflections(write(tmp_path, "a.cif", f"{CIF_HEAD}_shelx_hkl_file ?\n{tag}\n;\n{fcf};\n"))
    assert_rows(data)
    assert data.source.endswith("(CIF, _refln_F_squared_meas of an embedded .fcf)")
    assert_rows(read_reflections(write(tmp_path, "b.cif", f"data_only\n{tag}\n;\n{fcf};\n")))


def test_an_empty_embedded_list_does_not_hide_another(tmp_path: Path) -> None:
    for number, nothing in enumerate(("?", ".", "\n;\n\n;")):
        text = f"{CIF_HEAD}_shelx_hkl_file {nothing}\n_iucr_refine_reflections_details\n;\n{hklf()};\n"
        assert_rows(read_reflections(write(tmp_path, f"{number}.cif", text)))


@pytest.mark.parametrize("index", ["index_m_1", "index_m1", "index_m"])
def test_satellites_are_left_out(tmp_path: Path, index: str) -> None:
    data = read_reflections(write(tmp_path, "a.cif", CIF_HEAD + loop_of([index, *MEASURED], two_each(0, -1))))
    assert_rows(data)
    assert data.warnings == ("4 of 8 rows were left out: they are satellites of a modulated structure",)


def test_reflections_of_several_powder_phases_are_refused(tmp_path: Path) -> None:
    columns = ["_pd_refln_phase_id", *MEASURED]
    path = write(tmp_path, "a.cif", CIF_HEAD + loop_of(columns, two_each("alpha", "beta")))
    with pytest.raises(UserError, match="reflections of 2 phases in one list: ‘alpha, beta’; each has a cell"):
        read_reflections(path)
    one = [row for row in two_each("alpha", "beta") if row[3] == "alpha"]
    assert_rows(read_reflections(write(tmp_path, "b.cif", CIF_HEAD + loop_of(columns, one))))


@pytest.mark.parametrize("separator", ["_", "."])
def test_of_several_wavelengths_the_one_of_most_reflections_is_taken(tmp_path: Path, separator: str) -> None:
    tag = "_diffrn_radiation_wavelength"
    head = CIF_HEAD.replace(f"{tag} 0.71073\n", "")
    waves = f"loop_\n{tag}{separator}id\n{tag}{'.wavelength' if separator == '.' else ''}\n1 0.6\n2 0.5\n"
    prefix = f"_refln{separator}"
    rows = two_each(2, 1)[:-1]  # one of id 1 is missing
    rows[2] = (*rows[2][:3], ".", *rows[2][4:])  # an unknown id is that of most
    data = read_reflections(
        write(tmp_path, "a.cif", head + waves + loop_of(["wavelength_id", *MEASURED], rows, prefix))
    )
    assert_rows(data)
    assert data.experiment.wavelength == 0.5
    assert data.warnings == ("3 of 7 rows were left out: of 2 wavelengths, the one of ‘2’ was taken",)


@pytest.mark.parametrize("quantity", ["I", "F"])
def test_friedel_mates_in_columns_of_their_own_are_two_reflections(tmp_path: Path, quantity: str) -> None:
    columns = [f"pdbx_{quantity}_{sign}{sigma}" for sign in ("plus", "minus") for sigma in ("", "_sigma")]
    rows = [(1, 2, 3, 30, 1, 20, 2), (2, 0, -4, 10, 1, "?", "?"), (3, 0, 1, ".", ".", 5, 0.5)]
    data = read_reflections(write(tmp_path, "a.cif", CIF_HEAD + loop_of(columns, rows, "_refln.")))
    np.testing.assert_array_equal(data.hkl, [(1, 2, 3), (2, 0, -4), (-1, -2, -3), (-3, 0, -1)])
    expected = np.array([30, 10, 20, 5]) ** (2 if quantity == "F" else 1)
    np.testing.assert_allclose(data.intensity, expected)
    assert data.warnings == ()


def test_counts_are_read_last_and_named(tmp_path: Path) -> None:
    counts = loop_of(["counts_net"], [(*row[:3], 7 * row[3]) for row in ROWS], "_diffrn_refln_")
    assert_rows(read_reflections(write(tmp_path, "a.cif", CIF_HEAD + counts + LOOP)))
    data = read_reflections(write(tmp_path, "b.cif", CIF_HEAD + counts))
    np.testing.assert_allclose(data.intensity, [7 * row[3] for row in ROWS])
    assert data.warnings[0].startswith("these are counts, without the corrections")


def test_a_quantity_with_sigma_is_read_before_one_without(tmp_path: Path) -> None:
    bare = loop_of(["F_squared_meas"], [(*row[:3], 7 * row[3]) for row in ROWS], "_diffrn_refln_")
    assert_rows(read_reflections(write(tmp_path, "a.cif", CIF_HEAD + bare + LOOP)))


def test_a_block_of_another_crystal_says_nothing_of_this_one(tmp_path: Path) -> None:
    own = "\n".join(line for line in CIF_HEAD.splitlines() if line.startswith(("data_", "_cell_length", "_cell_angle")))
    other = CIF_HEAD.replace("data_crystal", "data_other").replace("C4 H6 O2", "Fe2 O3")
    path = write(tmp_path, "a.cif", f"{own}\n{LOOP}{other}{LOOP}")
    assert read_reflections(path, block="crystal").experiment.contents == {}
    path = write(tmp_path, "b.cif", f"{own}\n{LOOP}{other.replace('6.1000', '9.1000')}")
    assert read_reflections(path).experiment.contents == {}
    path = write(tmp_path, "c.cif", f"{own}\n{LOOP}{other.replace('6.1000', '6.1010')}")
    assert read_reflections(path).experiment.contents == {"Fe": 8, "O": 12}


def test_of_blocks_with_different_cells_none_is_taken_for_the_reflections(tmp_path: Path) -> None:
    other = CIF_HEAD.replace("data_crystal", "data_other").replace("6.1000", "9.1000")
    path = write(tmp_path, "a.cif", f"{CIF_HEAD}{other}data_refl\n{LOOP}")
    with pytest.raises(UserError, match="the cells of data_crystal and data_other differ; give the one of the refl"):
        read_reflections(path)
    assert read_reflections(path, cell=CELL).experiment.cell == CELL


def test_a_formula_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    data = read_reflections(write(tmp_path, "a.cif", CIF_HEAD.replace("C4 H6 O2", "C4 H6 O2, ca. 3 water") + LOOP))
    assert data.experiment.contents == {}
    assert data.warnings[0].startswith("the formula ‘C4 H6 O2, ca. 3 water’ cannot be read: `formula=` or")
    hydrate = read_reflections(write(tmp_path, "b.cif", CIF_HEAD.replace("C4 H6 O2", "C4 H6 O2, 2(H2 O)") + LOOP))
    assert hydrate.experiment.contents == {"C": 16, "H": 40, "O": 16}
    assert hydrate.warnings == ()
