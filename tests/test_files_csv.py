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


def test_a_row_with_a_value_for_no_column_leaves_the_old_table(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_csv(path, [{"n": 1}], ["n"])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="other"):
        write_csv(path, [{"n": 2}, {"other": 3}], ["n"])
    assert [each.name for each in tmp_path.iterdir()] == ["table.csv"]
    assert path.read_bytes() == before
