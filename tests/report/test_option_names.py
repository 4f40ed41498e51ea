"""A run goes by the options that its command chose."""

from __future__ import annotations

from pathlib import Path

import pytest

from phaselearn.errors import UserError
from phaselearn.report.option_names import OPTIONS_FILE, name_of, read_options, write_options

CONFIG = {"model": {"_target_": "phaselearn.models.cnn.PeriodicConvolutions"}}


def test_options_come_back_and_a_resumed_run_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / OPTIONS_FILE
    write_options(path, {"model": "cnn", "loss": "l1", "data": "hkl20"}, ["model=cnn"])
    write_options(path, {"model": "mlp", "loss": "mse"}, ["resume=FOLDER"])
    assert read_options(path) == {"model": "cnn", "loss": "l1"}
    assert name_of("model", read_options(path), CONFIG) == "cnn"


def test_a_class_of_the_command_is_named_itself(tmp_path: Path) -> None:
    path = tmp_path / OPTIONS_FILE
    write_options(path, {"model": "mlp", "loss": None}, ["model._target_=my.Own"])
    assert read_options(path) == {}
    assert name_of("model", {}, CONFIG) == "PeriodicConvolutions"
    assert name_of("loss", {}, CONFIG) == "–"


@pytest.mark.parametrize("content", [b"[]", b'{"model": 3}', b"{", b"\xff\xfe\x00", b"[" * 10_000])
def test_another_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / OPTIONS_FILE
    path.write_bytes(content)
    with pytest.raises(
        UserError, match=r"options\.json does not name the options of a run .*`rm .*options\.json`$"
    ) as told:
        read_options(path)
    assert str(told.value).isprintable()


def test_a_folder_of_that_name_is_no_file(tmp_path: Path) -> None:
    (tmp_path / OPTIONS_FILE).mkdir()
    assert read_options(tmp_path / OPTIONS_FILE) == {}


def test_names_of_strangers_are_printable(tmp_path: Path) -> None:
    path = tmp_path / OPTIONS_FILE
    path.write_text('{"model": "a\\u001b[2J"}')
    assert read_options(path)["model"].isprintable()
