"""Names of files for any id, and what is said of faults of the machine."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phaselearn.files import fault_behind, file_stem, holds_reflections, told_of, write_whole

IDS = (
    "a",
    "A",
    "a.cif",
    "a_cif",
    "a/cif",
    "a cif",
    "a.cif ",
    "..",
    "../a",
    "",
    "a" * 300,
    "a" * 301,
    "NUL",
    "β",
    "\ud800",
    "a\0",
)


def test_ids_that_differ_have_files_that_differ_on_any_file_system() -> None:
    assert len({file_stem(name).lower() for name in IDS}) == len(IDS)


@given(st.text(st.characters(codec=None), max_size=400))
def test_a_name_is_one_plain_part_of_a_path(name: str) -> None:
    stem = file_stem(name)
    assert os.path.basename(stem) == stem
    assert stem.isascii()
    assert stem.isprintable()
    assert not stem.startswith((".", "-", "_", " "))
    assert len(f"{stem}_prediction.ccp4") < 200


def test_things_of_one_name_have_files_of_their_own() -> None:
    assert (
        len({file_stem("NaCl"), file_stem("NaCl", b"1"), file_stem("NaCl", b"1", b"2"), file_stem("NaCl", b"12")}) == 4
    )


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("a.hkl", True), ("XDS.HKL.gz", True), ("a.b.mtz", True), ("a.cif", False), ("hkl", False), ("a.hkl.json", False)],
)
def test_the_name_of_a_file_tells_reflections_from_structures(name: str, is_one: bool) -> None:
    assert holds_reflections(Path(name)) == is_one


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE, errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_fault_is_found_behind_the_error_that_a_library_makes_of_it(number: int) -> None:
    try:
        try:
            raise OSError(number, os.strerror(number), "a.cif")
        except OSError as error:
            raise ValueError("not a crystal") from error
    except ValueError as error:
        fault = fault_behind(error)
    assert fault is not None
    assert fault.errno == number
    told = told_of(fault)
    assert os.strerror(number) in told
    assert "a.cif" in told


def test_what_is_wrong_with_a_file_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "a.cif").touch()
    for error in (ValueError("no crystal"), OSError("Invalid data stream"), EOFError(), sqlite3.DatabaseError("no")):
        assert fault_behind(error, tmp_path / "a.cif") is None


def test_a_file_that_has_gone_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        (tmp_path / "a.cif").read_bytes()
    assert fault_behind(raised.value, tmp_path / "a.cif") is raised.value


def test_a_database_that_cannot_be_opened_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError) as raised:
        sqlite3.connect(f"{(tmp_path / 'missing.db').as_uri()}?mode=ro", uri=True).execute("SELECT 1")
    assert fault_behind(raised.value) is not None


def test_processes_that_write_the_same_file_do_not_mix_what_they_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second writer comes in while the first has written its file and has yet to put it in its place."""
    file, sync = tmp_path / "shard", os.fsync

    def another_comes(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", sync)
        write_whole(file, b"second", contested=True)
        assert file.read_bytes() == b"second"

    monkeypatch.setattr(os, "fsync", another_comes)
    write_whole(file, b"first", contested=True)
    assert file.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["shard"]
