"""Tables are written in one step: a row that does not fit leaves the old file as it was."""

import csv
from pathlib import Path

import pytest

from phaselearn.files import write_csv


def test_a_table_is_read_back_as_it_was_given(tmp_path: Path) -> None:
    rows = [{"name": 'a, "b"\nc', "n": 1}, {"name": "ρ²", "n": 2}]
    write_csv(tmp_path / "new" / "table.csv", rows, ["name", "n"])
    with open(tmp_path / "new" / "table.csv", newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [{"name": row["name"], "n": str(row["n"])} for row in rows]


def test_numbers_are_as_long_as_a_person_reads_them_unless_a_program_goes_on_with_them(tmp_path: Path) -> None:
    row = {
        "long": 1 / 3,
        "small": 2e-9 / 3,
        "round": 30.0,
        "many": 123456789,
        "none": float("nan"),
        "word": "0.123456789",
    }
    told = {}
    for exact in (False, True):
        write_csv(tmp_path / "table.csv", [row], list(row), exact=exact)
        with open(tmp_path / "table.csv", newline="", encoding="utf-8") as file:
            [told[exact]] = csv.DictReader(file)
    same = {"round": "30.0", "many": "123456789", "none": "nan", "word": "0.123456789"}
    assert told[False] == {"long": "0.333333", "small": "6.66667e-10", **same}
    assert told[True] == {"long": "0.3333333333333333", "small": repr(2e-9 / 3), **same}


def test_a_row_with_a_value_for_no_column_leaves_the_old_table(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_csv(path, [{"n": 1}], ["n"])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="other"):
        write_csv(path, [{"n": 2}, {"other": 3}], ["n"])
    assert [each.name for each in tmp_path.iterdir()] == ["table.csv"]
    assert path.read_bytes() == before
