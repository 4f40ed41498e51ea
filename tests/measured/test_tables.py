"""Tables as spreadsheets and scripts write them: decimal commas, names of columns, and lines before these."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path

import numpy as np
import pytest

from phaselearn.errors import UserError
from phaselearn.measured.readers import read_reflections
from phaselearn.measured.readers.table import is_table
from tests.measured.files import CELL, ROWS, assert_rows, write


def table(names: str, rows: list[tuple[object, ...]], separator: str = ",", decimal: str = ".") -> str:
    """Return a table as the csv module writes it."""
    written = io.StringIO()
    writer = csv.writer(written, delimiter=separator)
    writer.writerow(names.split())
    writer.writerows([str(one).replace(".", decimal) for one in row] for row in rows)
    return written.getvalue()


@pytest.mark.parametrize("separator", [";", "\t", " ", ","], ids=["semicolons", "tabulators", "blanks", "quoted"])
def test_a_decimal_comma_is_read_where_it_separates_nothing(tmp_path: Path, separator: str) -> None:
    text = table("h k l I sigma", ROWS, separator, decimal=",")
    assert_rows(read_reflections(write(tmp_path, "a.csv", text), cell=CELL))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("1,0,0,60,69,2,27", "has more numbers than there are names of columns; write numbers with a decimal point"),
        ('1,0,0,"1,234.5",2.5', "is not a reflection; write numbers with a decimal point"),
        ("1;0;0;1.234,5;2,5", "is not a reflection; write numbers with a decimal point"),
        ("1;0;0;60,69;2.27", "points and commas in numbers"),
        ("1;0;0;60,69;2,27\n2;0;0;60.69;2.27", "line 3: .* points and commas in numbers"),
        ("1;0;0;1,234;27\n2;0;0;999;20", "commas in numbers may be decimal signs or thousands"),
        ('1,0,0,"1,234",27', "commas in numbers may be decimal signs or thousands"),
    ],
)
def test_numbers_that_may_mean_two_things_are_refused(tmp_path: Path, rows: str, told: str) -> None:
    names = "h;k;l;I;sigma" if ";" in rows else "h,k,l,I,sigma"
    with pytest.raises(UserError, match=told):
        read_reflections(write(tmp_path, "a.csv", f"{names}\n{rows}\n"), cell=CELL)


def test_three_decimals_are_decimals_where_one_number_says_so(tmp_path: Path) -> None:
    data = read_reflections(write(tmp_path, "a.csv", "h;k;l;I;sigma\n1;0;0;1,234;0,567\n"), cell=CELL)
    assert_rows(data, [(1, 0, 0, 1.234, 0.567)])


def test_rows_that_are_longer_than_the_names_are_refused(tmp_path: Path) -> None:
    """R and pandas write the number of a row before it, without a name."""
    with pytest.raises(UserError, match="more numbers than there are names of columns; name every column"):
        read_reflections(write(tmp_path, "a.txt", "h k l I sigma\n0 1 0 0 60.69 2.27\n"), cell=CELL)


@pytest.mark.parametrize("separator", [" ", ","])
def test_remarks_behind_the_numbers_of_some_rows_are_passed_over(tmp_path: Path, separator: str) -> None:
    text = table("h k l I sigma", [ROWS[0], (*ROWS[1], "weak", "*"), *ROWS[2:]], separator)
    assert_rows(read_reflections(write(tmp_path, "a.txt", text), cell=CELL))


@pytest.mark.parametrize(
    "names",
    [
        *(
            "h k l Iobs SigIobs",
            "h k l Fo2 sigFo2",
            "H K L Fo2 sig(Fo2)",
            "h k l Fo^2 sigma(Fo^2)",
            "h k l |Fo|² σ(F²)",
        ),
        *(
            "h k l I-obs SIGI-obs",
            "h k l F_squared_meas F_squared_sigma",
            "h k l intensity intensity_err",
            "h k l I SD",
            "h k l I stderr",
        ),
    ],
)
def test_names_of_intensities_and_their_sigma(tmp_path: Path, names: str) -> None:
    data = read_reflections(write(tmp_path, "a.csv", table(names, ROWS)), cell=CELL)
    assert_rows(data)
    assert data.warnings == ()


@pytest.mark.parametrize(
    "names",
    [
        *("h k l F sigF F2 sigF2", "h k l F sigma_F Fobs2 sigma_F2", "h k l F sigma(F) F2 sigma(F2)"),
        *("h k l Fo sigma I sigma", "h k l F esd(F) Fsq esd(Fsq)", "h k l Fc sigFc Fo2 sigFo2"),
    ],
)
def test_of_two_quantities_each_has_its_own_sigma(tmp_path: Path, names: str) -> None:
    rows = [(*row[:3], round(abs(row[3]) ** 0.5, 3), 77.0, *row[3:]) for row in ROWS]
    assert_rows(read_reflections(write(tmp_path, "a.csv", table(names, rows)), cell=CELL))


def test_the_quantity_that_has_a_sigma_is_read(tmp_path: Path) -> None:
    text = table("h k l F2 F sigma", [(1, 0, 0, 900.0, 30.0, 0.5)])
    data = read_reflections(write(tmp_path, "a.csv", text), cell=CELL)
    np.testing.assert_allclose(data.sigma, np.sqrt(4 * 30**2 * 0.5**2 + 2 * 0.5**4))


@pytest.mark.parametrize("names", ["h k l F sigI", "h k l I sigF", "h k l I SIGFOO"])
def test_the_sigma_of_something_else_is_not_taken_and_named(tmp_path: Path, names: str) -> None:
    data = read_reflections(write(tmp_path, "a.csv", table(names, [row for row in ROWS if row[3] > 0])), cell=CELL)
    assert f"not read were ‘{names.split()[-1]}’" in data.warnings[0]
    assert "σ of 3 of 3 reflections is not known" in data.warnings[1]


@pytest.mark.parametrize(
    "head", ["# h k l I sigma", "#h k l I sigma", "# of Monday\n# h k l I sigma\n#", "my crystal\nh k l I sigma"]
)
def test_names_behind_a_hash_or_a_title(tmp_path: Path, head: str) -> None:
    rows = "\n".join(" ".join(map(str, row)) for row in ROWS)
    data = read_reflections(write(tmp_path, "a.txt", f"{head}\n{rows}\n"), cell=CELL)
    assert_rows(data)
    assert ("‘my crystal’ stands before the names of the columns" in data.warnings) == ("my crystal" in head)


@pytest.mark.parametrize(
    "head",
    [
        b"# h,k,l, Fc-squared, Fo-squared, sigma(Fo-squared) and status flag\n#\ndata_x\n",  # as SHELXL writes it
        b"   1   0   0   12.34    0.50\nh k l I sigma\n",
        b"\n" * 65536,
        b"# h k l\n" * 8192,
        b"#\n" * 32768,
    ],
)
def test_other_files_are_no_tables_and_are_told_so_in_no_time(head: bytes) -> None:
    begun = time.perf_counter()
    assert not is_table(head)
    assert time.perf_counter() - begun < 2
