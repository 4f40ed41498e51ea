"""Lists like HKLF 4: where they end, twin domains, structure factors in plain text, batch numbers of four digits."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from phaselearn.errors import UserError
from phaselearn.measured.readers import read_reflections
from tests.measured.files import CELL, INS, ROWS, Row, assert_rows, hklf, write

END = "   0   0   0    0.00    0.00"
LINES = hklf(end=False)


def domains(batches: list[int], rows: list[Row]) -> str:
    """Return lines with batch numbers."""
    return "".join(hklf([row], batch, end=False) for row, batch in zip(rows, batches, strict=True))


def test_reflections_behind_the_end_are_counted(tmp_path: Path) -> None:
    data = read_reflections(write(tmp_path, "a.hkl", hklf() + hklf(ROWS * 3), INS))
    assert_rows(data)
    assert data.warnings == ("line 5 ends the list, as in SHELX: at least 12 reflections behind it were not read",)
    text = hklf() + "\nnumbers of frames\n  1  2  3  4  5  6\n"
    assert read_reflections(write(tmp_path, "b.hkl", text, INS)).warnings == ()


@pytest.mark.parametrize("place", [0, 2, 4])
@pytest.mark.parametrize("free", [False, True])
def test_f_000_is_not_the_end(tmp_path: Path, place: int, free: bool) -> None:
    rows: list[Row] = [*ROWS[:place], (0, 0, 0, 9999.0, 1.0), *ROWS[place:]]
    text = "\n".join(" ".join(map(str, row)) for row in rows) if free else hklf(rows)
    data = read_reflections(write(tmp_path, "a.hkl", text, INS))
    assert_rows(data)
    assert data.warnings == ("1 of 5 rows were left out: the reflection 0 0 0 is not measured",)


@pytest.mark.parametrize(
    "tail",
    ["\x1a", f"{END}\n\x1a", "\n_exptl_absorpt_process_details SADABS\nsome text\n", "\n\n \n;\n"],
    ids=["end of text of DOS", "the same behind 0 0 0", "an empty line and text", "empty lines"],
)
def test_other_ends_of_a_list(tmp_path: Path, tail: str) -> None:
    data = read_reflections(write(tmp_path, "a.hkl", LINES + tail, INS))
    assert_rows(data)
    assert data.warnings == ()
    assert_rows(read_reflections(write(tmp_path, "b.hkl", LINES.rstrip("\n") + "\x1a\n", INS)))


def test_reflections_behind_a_text_are_counted_and_text_without_an_empty_line_is_an_error(tmp_path: Path) -> None:
    data = read_reflections(write(tmp_path, "a.hkl", f"{LINES}\nsome text\n{LINES}", INS))
    assert data.warnings == ("line 5 ends the list, as in SHELX: at least 4 reflections behind it were not read",)
    ended = f"{LINES}   0   0   0    0.00    1.00\nsome text\n"
    assert_rows(read_reflections(write(tmp_path, "c.hkl", ended, INS)))
    with pytest.raises(UserError, match="line 5: ‘some text’ is not a reflection"):
        read_reflections(write(tmp_path, "b.hkl", f"{LINES}some text\n{LINES}", INS))


def test_a_list_of_twin_domains_is_known_without_hklf_5(tmp_path: Path) -> None:
    rows: list[Row] = [(1, 0, 0, 9.0, 1.0), (-2, 0, 0, 8.0, 1.0), (2, 0, 0, 8.0, 1.0), (3, 0, 0, 7.0, 1.0)]
    for first in (-2, -1):
        text = domains([1, first, 1, 1], rows)
        data = read_reflections(write(tmp_path, f"{first}.hkl", text), cell=CELL)
        assert_rows(data, [rows[0], rows[3]])
        assert data.warnings[0].startswith("negative batch numbers say that this is a list of twin domains, HKLF 5")
        by_instructions = write(tmp_path, f"{first}_5.hkl", text, INS.replace("HKLF 4", "HKLF 5"))
        np.testing.assert_array_equal(read_reflections(by_instructions).hkl, data.hkl)


@pytest.mark.parametrize("batches", [[1, -1, 1, -1], [1, -2, 2, -1], [-2, 3, -3, 1]])
def test_the_free_set_of_hklf_4_is_no_twin_domain(tmp_path: Path, batches: list[int]) -> None:
    """It has negative batch numbers, mostly −1; the line behind is another reflection."""
    assert_rows(read_reflections(write(tmp_path, "a.hkl", domains(batches, ROWS), INS)))


def test_twin_domains_that_all_overlap_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "a.hkl", domains([-2, 1, -2, 1], ROWS), INS.replace("HKLF 4", "HKLF 5"))
    with pytest.raises(UserError, match=r"a\.hkl: no reflection of the first twin domain alone is in the list"):
        read_reflections(path)


def test_list_2_of_shelxl_holds_amplitudes(tmp_path: Path) -> None:
    rows: list[Row] = [(1, 0, 0, 30.0, 0.5), (2, 0, 0, 12.0, 0.4)]
    data = read_reflections(write(tmp_path, "a.fcf", domains([180, 37], rows)), cell=CELL)
    np.testing.assert_allclose(data.intensity, [900, 144])
    assert data.source.endswith("(SHELXL LIST 2, fixed columns)")
    assert data.warnings[0].startswith("plain lines in a .fcf are taken for LIST 2")


@pytest.mark.parametrize(
    "line", ["   1   0   0     30.00     29.10  180.00", "   1   0   0  -1   30.00    1.50", "1 0 0 30.0 29.1 1.5"]
)
def test_lists_of_other_columns_are_refused(tmp_path: Path, line: str) -> None:
    """They are LIST 5 of SHELXL, a list with satellites, and one with calculated intensities."""
    word = re.escape(line.split()[5])
    with pytest.raises(UserError, match=f"the sixth column, e.g. ‘{word}’, is not a batch number"):
        read_reflections(write(tmp_path, "a.fcf", f"{line}\n" * 9), cell=CELL)


@pytest.mark.parametrize("cosines", ["", " 0.12345-0.23456 0.34567-0.45678 0.56789-0.67890"])
@pytest.mark.parametrize("decimals", [0, 2])
def test_batch_numbers_of_four_digits_do_not_belong_to_sigma(tmp_path: Path, decimals: int, cosines: str) -> None:
    rows: list[Row] = [(1, 0, 0, 481.0, 31.0), (2, 0, 0, 6069.0, 227.0), (-1, 2, 3, 22.0, 4.0)]
    text = "".join(
        f"{h:4d}{k:4d}{index:4d}{value:8.{decimals}f}{sigma:8.{decimals}f}{999 + place:4d}{cosines}\n"
        for place, (h, k, index, value, sigma) in enumerate(rows)
    )
    assert_rows(read_reflections(write(tmp_path, "a.hkl", text, INS)), rows)
