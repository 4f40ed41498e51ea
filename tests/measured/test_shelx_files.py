"""SHELX lists of reflections and instructions."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import gemmi
import numpy as np
import pytest

from phaselearn.errors import UserError
from phaselearn.measured.readers import read_reflections
from phaselearn.measured.readers.instructions import read_instructions
from tests.measured.files import CELL, INS, ROWS, Row, assert_rows, hklf, write


def test_fixed_columns_with_the_instructions_beside_them(tmp_path: Path) -> None:
    data = read_reflections(write(tmp_path, "a.hkl", hklf(), INS))
    assert_rows(data)
    assert data.experiment.cell == CELL
    assert (data.experiment.wavelength, data.experiment.probe) == (0.71073, "xray")
    assert data.experiment.contents == {"C": 16, "H": 24, "O": 8}
    group = gemmi.GroupOps([gemmi.Op(triplet) for triplet in data.experiment.operations])
    assert gemmi.find_spacegroup_by_ops(group).xhm() == "P 1 21/c 1"


@pytest.mark.parametrize(
    "text",
    [
        hklf(batch=3),
        hklf(end=False),
        hklf().replace("\n", "\r\n"),
        hklf() + "\n_exptl_absorpt_process_details 'SADABS'\n  this is not a reflection\n",
        "\n".join(line + " 0.12345-0.23456 0.34567-0.45678 0.56789-0.67890" for line in hklf(batch=1).splitlines()),
        "\n".join(" ".join(map(str, row)) for row in ROWS),
        "\n".join("\t".join(map(str, row)) for row in [*ROWS, (0, 0, 0, 0, 0)]),
        "\n".join("  ".join(map(str, (*row, 1))) for row in ROWS) + "\n\n",
    ],
    ids=["batch", "no end", "CRLF", "text after the end", "direction cosines", "free", "tabulators", "free batch"],
)
def test_variants_of_the_list_say_the_same(tmp_path: Path, text: str) -> None:
    assert_rows(read_reflections(write(tmp_path, "a.hkl", text, INS)))


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("   1   0   0123456.7  123.45", (1, 0, 0, 123456.7, 123.45)),
        ("   1   0   099999.9999999.99", (1, 0, 0, 99999.99, 99999.99)),
        (" -10 -11 -12 1234567   12345", (-10, -11, -12, 1234567, 12345)),
        ("-100-111-112  123.45    1.20", (-100, -111, -112, 123.45, 1.2)),
        ("   1   0   0 1.5E+03    20.1", (1, 0, 0, 1500, 20.1)),
        ("1 0 0 1234567.8 1.25", (1, 0, 0, 1234567.8, 1.25)),
        ("   1   0   0  12345.678     34.5", (1, 0, 0, 12345.678, 34.5)),
        ("  1  0  0     12.34      0.56", (1, 0, 0, 12.34, 0.56)),
    ],
)
def test_numbers_that_overflow_their_columns(tmp_path: Path, line: str, row: Row) -> None:
    cell = (200.0, 210.0, 220.0, 90, 90, 90)
    assert_rows(read_reflections(write(tmp_path, "a.hkl", f"{line}\n" * 30), cell=cell), [row] * 30)


def test_a_line_that_is_no_reflection_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "a.hkl", hklf(end=False) * 20 + "   1   0   x   12.34    0.50\n", INS)
    with pytest.raises(UserError, match=re.escape(f"{path}, line 81: ‘1   0   x   12.34    0.50’ is not a reflection")):
        read_reflections(path)


def test_amplitudes_of_hklf_3_become_intensities(tmp_path: Path) -> None:
    rows = [(1, 0, 0, 30.0, 0.5), (2, 0, 0, 0.0, 0.4), (3, 0, 0, -2.0, 1.0)]
    data = read_reflections(write(tmp_path, "a.hkl", hklf(rows), INS.replace("HKLF 4", "HKLF 3")))
    np.testing.assert_allclose(data.intensity, [900, 0, -4])
    # Moments of a normal amplitude, by many draws.
    draws = np.random.default_rng(0).normal([row[3] for row in rows], [row[4] for row in rows], (400_000, 3)) ** 2
    np.testing.assert_allclose(data.sigma, draws.std(0), rtol=0.02)


def test_the_scale_and_the_matrix_of_hklf_are_applied(tmp_path: Path) -> None:
    ins = INS.replace("HKLF 4", "HKLF 4 0.5 0 1 0 1 0 0 =\n  0 0 -1")
    data = read_reflections(write(tmp_path, "a.hkl", hklf(), ins))
    assert_rows(data, [(row[1], row[0], -row[2], row[3] / 2, row[4] / 2) for row in ROWS])


def test_the_weight_of_hklf_is_a_factor_of_the_inverse_variance(tmp_path: Path) -> None:
    ins = INS.replace("HKLF 4", "HKLF 4 0.5 1 0 0 0 1 0 0 0 1 4")
    data = read_reflections(write(tmp_path, "a.hkl", hklf(), ins))
    assert_rows(data, [(*row[:3], row[3] / 2, row[4] / 4) for row in ROWS])
    with pytest.raises(UserError, match="a weight that is not positive"):
        read_reflections(write(tmp_path, "a.hkl", hklf(), ins.replace("0 0 1 4", "0 0 1 0")))


def test_hklf_5_keeps_the_reflections_of_the_first_domain_alone(tmp_path: Path) -> None:
    batches = [1, -2, 1, 2, 1]
    rows = [(n, 0, 0, 10.0 * n, 1.0) for n in range(1, 6)]
    lines = [hklf([row], batch, end=False) for row, batch in zip(rows, batches, strict=True)]
    data = read_reflections(write(tmp_path, "a.hkl", "".join(lines), INS.replace("HKLF 4", "HKLF 5")))
    assert_rows(data, [rows[0], rows[4]])
    assert "3 of 5 rows were left out: HKLF 5" in data.warnings[0]


def test_other_lists_of_hklf_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.ins, line 8: HKLF 2 is not read; write single reflections as HKLF 4"):
        read_reflections(write(tmp_path, "a.hkl", hklf(), INS.replace("HKLF 4", "HKLF 2")))


@pytest.mark.parametrize(
    ("latt", "symm", "name"),
    [
        (-1, [], "P 1"),
        (1, [], "P -1"),
        (2, ["-X,-Y,Z", "-X,Y,-Z+1/2", "X,-Y,-Z+1/2"], "I b a m"),
        (-3, ["-Y,X-Y,Z", "-X+Y,-X,Z"], "R 3:H"),
        (4, ["-x,-y,z", "-x,y,-z", "z,x,y", "y,z,x"], None),
        (-7, ["-x, y, -z"], "C 1 2 1"),
        (7, ["-x, y, 1/2-z"], "C 1 2/c 1"),
        (1, ["0.5+x, 0.5-y, -z", "-x, y+.5, -z+0.5"], None),
        (-5, ["x+1/2,-y,z"], "A 1 a 1"),
    ],
)
def test_symmetry_is_that_of_latt_and_symm(latt: int, symm: list[str], name: str | None) -> None:
    text = INS.replace("LATT 1", f"LATT {latt}").replace(
        "SYMM -X, 0.5+Y, 0.5-Z\n", "".join(f"SYMM {o}\n" for o in symm)
    )
    found = read_instructions(text, Path("a.ins")).stated.operations
    if name is not None:
        expected = {operation.wrap().triplet() for operation in gemmi.SpaceGroup(name).operations()}
        assert set(found) == expected
    centred = {1: 1, 2: 2, 3: 3, 4: 4, 5: 2, 6: 2, 7: 2}[abs(latt)]
    assert len(found) == len(set(found)) == (len(symm) + 1) * centred * (2 if latt > 0 else 1)


def test_instructions_of_every_day() -> None:
    text = """TITL HKLF 3 in =
REM  CELL 9 9 9 9 90 90 90
CELL  0.56086   4.633(2)  8.400(3)  6.577(3)  90  100.37(2)  90 ! at 100 K
ZERR 4 .002 .003 .003 0 .02 0
LATT -1
SFAC C H
SFAC FE 11.7695 4.7611 7.3573 0.3072 3.5222 15.3535 2.3045 76.8805 =
     1.0369 0.3463 0.8444 20.8
SFAC Cl
UNIT 8 16 4 0
C1 1 0.1 0.2 0.3 11.0 0.05
AFIX 137
H1A 2 0.1 0.2 0.3 11.0 -1.5
CELLULOSE is no instruction
HKLF4
END
HKLF 3
"""
    found = read_instructions(text, Path("a.ins"))
    assert found.hklf == 4
    assert found.stated.cell == (4.633, 8.4, 6.577, 90, 100.37, 90)
    assert found.stated.wavelength == 0.56086
    assert found.stated.contents == {"C": 8, "H": 16, "Fe": 4, "Cl": 0}
    assert found.stated.operations == ("x,y,z",)
    assert found.warnings == ()


def test_a_twin_that_is_stated_is_named_and_counts_that_do_not_fit_are_no_contents(tmp_path: Path) -> None:
    ins = INS.replace("HKLF 4", "TWIN 0 1 0 1 0 0 0 0 -1\nHKLF 4").replace("UNIT 16 24 8", "UNIT 16 24")
    data = read_reflections(write(tmp_path, "a.hkl", hklf(), ins))
    assert data.experiment.contents == {"C": 0, "H": 0, "O": 0}
    assert data.warnings[0].startswith("TWIN is stated")
    assert data.warnings[1].startswith("UNIT has 2 numbers for 3 elements of SFAC")


def test_an_element_without_form_factor_is_left_out_and_named(tmp_path: Path) -> None:
    data = read_reflections(write(tmp_path, "a.hkl", hklf(), INS.replace("SFAC C H O", "SFAC C H ES")))
    assert data.experiment.contents == {"C": 16, "H": 24}
    assert data.warnings[0].startswith("SFAC names ‘Es’, which is not an element that is known to scatter")


def test_unit_zero_names_the_elements_alone(tmp_path: Path) -> None:
    data = read_reflections(write(tmp_path, "a.hkl", hklf(), INS.replace("UNIT 16 24 8", "UNIT 0 0 0")))
    assert data.experiment.contents == {"C": 0, "H": 0, "O": 0}


def test_neutrons_and_electrons_are_told_apart(tmp_path: Path) -> None:
    path = write(tmp_path, "a.hkl", hklf(), "NEUT\n" + INS)
    assert read_reflections(path).experiment.probe == "neutron"
    assert read_reflections(path, probe="xray").experiment.probe == "xray"
    assert read_reflections(path, probe=None, wavelength=0.0251).experiment.probe == "neutron"
    assert read_reflections(write(tmp_path, "b.hkl", hklf(), INS), wavelength=0.0251).experiment.probe == "electron"
    lengths = {"C": 6.646, "H": -3.739, "O": 5.803}
    factors = "".join(f"SFAC {name}{' 0' * 8} =\n {length} 0 0 0.5 0.77 12\n" for name, length in lengths.items())
    ins = INS.replace("SFAC C H O\n", factors)
    assert read_reflections(write(tmp_path, "c.hkl", hklf(), ins)).experiment.probe == "neutron"
    of_x_rays = ins.replace(" 0" * 8, " 1 2 3 4 5 6 7 8")
    assert read_reflections(write(tmp_path, "d.hkl", hklf(), of_x_rays)).experiment.probe == "xray"


def test_the_user_stands_above_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "a.hkl", hklf(), INS)
    found = read_reflections(path, cell=[6.2, 7.3, 8.4, 90, 104.6, 90], wavelength=0.5, elements="C,N").experiment
    assert (found.cell[0], found.wavelength, found.contents) == (6.2, 0.5, {"C": 0, "N": 0})
    by_formula = read_reflections(path, formula="C4H6O2")
    assert by_formula.experiment.contents == {"C": 16, "H": 24, "O": 8}
    assert "4 formula units in the cell are assumed" in by_formula.warnings[-1]


def test_gzip_and_named_instructions(tmp_path: Path) -> None:
    path = tmp_path / "a.hkl.gz"
    path.write_bytes(gzip.compress(hklf().encode()))
    named = write(tmp_path, "other.res", INS)
    assert_rows(read_reflections(path, ins=named))
    (tmp_path / "a.ins").write_text(INS)
    assert_rows(read_reflections(path))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"a\.hkl\.gz: it cannot be unpacked .*; check it with `gzip -t "):
        read_reflections(path)


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("1 1 1 90 90 90", "stands for a cell that is unknown"),
        ("0.61 0.72 0.83 90 104.5 90", "has an edge outside of 1.5 to 2000 Å"),
        ("6.1 7.2 8.3 90 104.5", "a cell has six numbers, not 5"),
        ("6.1 7.2 8.3 30 104.5 150", "close no parallelepiped"),
        ("6.1 7.2 8.3 0 90 90", "an angle outside of 0 to 180°"),
        ("6.1 7.2 nan 90 90 90", "has a word that is not a number"),
        ("6.1 7.2 1e999 90 90 90", "has a word that is not a number"),
    ],
)
def test_impossible_cells_are_refused(tmp_path: Path, cell: str, told: str) -> None:
    path = write(tmp_path, "a.hkl", hklf(), INS.replace("6.1 7.2 8.3 90 104.5 90", cell))
    with pytest.raises(UserError, match=r"a\.ins, line 2: ") as caught:
        read_reflections(path)
    assert told in str(caught.value)


def test_without_a_cell_the_error_says_how_to_give_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the cell is not known; give it: `cell=\[a,b,c,α,β,γ\]`.*ins=FILE"):
        read_reflections(write(tmp_path, "a.hkl", hklf()))


def test_a_wavelength_that_cannot_be_is_left_out_and_a_cell_that_cannot_be_refused(tmp_path: Path) -> None:
    """Who does not know the wavelength may have written 0.71073: that is no reason to refuse sharp data."""
    rows = [(h, 0, 1, 10.0 + h, 1.0) for h in range(1, 30)]
    path = write(tmp_path, "a.hkl", hklf(rows), INS)
    data = read_reflections(path)
    assert_rows(data, rows)
    assert data.experiment.wavelength is None
    assert "lie beyond λ/2 of the stated λ = 0.71073 Å" in data.warnings[0]
    few = read_reflections(write(tmp_path, "b.hkl", hklf(rows[:17]), INS))
    assert_rows(few, rows[:16])
    assert few.experiment.wavelength == 0.71073
    with pytest.raises(UserError, match=r"the indices reach d = 0\.0[0-9]+ Å, further than any crystal diffracts"):
        read_reflections(path, cell=(1.6, 1.7, 1.8, 90, 90, 90))


@pytest.mark.parametrize(("value", "sigma"), [(-1.0, 0.01), (-0.01, 0.01), (0.0, 0.01), (-1.0, 1.0), (-0.3, 0.01)])
def test_the_marks_of_what_was_not_measured_are_known_scaled_and_with_a_positive_sigma(
    tmp_path: Path, value: float, sigma: float
) -> None:
    """Minus one and minus one in one program is −0.01 ± 0.01 in the next."""
    generator = np.random.default_rng(0)
    hkl = [(h, k, index) for h in range(-5, 6) for k in range(5) for index in range(1, 6)]
    rows = [
        (*one, round(float(generator.exponential(100)), 2), round(float(generator.uniform(1, 3)), 2)) for one in hkl
    ]
    marks = [(*row[:3], value, sigma) for row in rows[::15]]
    weak = [(*row[:3], -0.5, round(1.2 + 0.01 * place, 2)) for place, row in enumerate(rows[1::15])]
    data = read_reflections(write(tmp_path, "a.hkl", hklf([*rows, *marks, *weak]), INS))
    # With σ like the others, −1 again and again may be a rounded measurement.
    assert_rows(data, [*rows, *(marks if sigma == 1.0 else []), *weak])


def test_weak_data_of_few_decimals_are_all_measured(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    hkl = [(h, k, index) for h in range(-5, 6) for k in range(5) for index in range(1, 6)]
    rows = [(*one, round(float(generator.normal(0.02, 0.02)), 2), 0.02) for one in hkl]
    assert_rows(read_reflections(write(tmp_path, "a.hkl", hklf(rows), INS)), rows)


@pytest.mark.parametrize("top", [99999.99, 9999.0, 9999999.0])
def test_the_largest_value_of_a_format_stands_for_an_overflow_if_it_is_repeated_far_above_the_others(
    tmp_path: Path, top: float
) -> None:
    rows: list[Row] = [(h, 0, 1, 10.0 * h, 1.0) for h in range(1, 9)]
    overflow: list[Row] = [(h, 1, 1, top, 1.0) for h in range(1, 4)]
    text = "\n".join(" ".join(map(str, row)) for row in [*rows, *overflow])
    data = read_reflections(write(tmp_path, "a.hkl", text, INS))
    assert_rows(data, rows)
    assert data.warnings[0].startswith(f"3 of 11 rows were left out: {top:.8g} again and again")
    near: Row = (0, 2, 1, top / 2, 1.0)
    alone: list[list[Row]] = [[overflow[0]], [overflow[0]] * 3, [overflow[0], (-1, -1, -1, top, 1.0)]]
    for number, kept in enumerate(([*rows, near, *overflow], *([*rows, *ones] for ones in alone))):
        text = "\n".join(" ".join(map(str, row)) for row in kept)
        assert_rows(read_reflections(write(tmp_path, f"{number}.hkl", text, INS)), kept)
