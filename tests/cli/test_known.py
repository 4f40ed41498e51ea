"""`phaselearn known`: known crystals of a source as a file, and a search that begins with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.split import split_of
from phaselearn.solver.isotypes.known_crystals import KnownCrystals
from tests.cli.inside import call


def test_a_source_becomes_a_file_and_the_training_split_is_a_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("known", "source.count=40", "out=all.npz") == 0
    told = capsys.readouterr().out
    assert call("known", "source.count=40", "out=train.npz", "split=train") == 0
    every, part = KnownCrystals.read(Path("all.npz")), KnownCrystals.read(Path("train.npz"))
    assert told.startswith(f"all.npz: {len(every)} crystals of {len(every.kinds)} structure types\n")
    assert "starts.known=all.npz" in told
    assert 20 < len(part) < len(every) <= 40
    crystals = {crystal.id: crystal for crystal in Prototypes(count=40, seed=0, cell="primitive")}
    assert set(part.names) == {name for name in every.names if split_of(crystals[name].formula) == "train"}
    assert sorted(Path().iterdir()) == [Path("all.npz"), Path("train.npz")]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("split=test",), "split=test is unknown: allowed are all, train"),
        (("source=folder", "source.path=nowhere"), "source.path=nowhere is not there"),
        (("source.count=3", "out=file/known.npz"), "file/known.npz"),
        (("source.count=3", "out=folder"), "out=folder is not the name of a file: name one, e.g. out=mine.npz"),
        (("source.count=3", "out="), "out= is not the name of a file"),
        (("source.count=3", "longest_edge=0"), "longest_edge=0: above 0 is needed"),
        (("source.count=3", "longest_edge=1e-3"), "none of the crystals can be used"),
    ],
    ids=["split", "source", "out below a file", "a folder", "no name", "no edge", "short edges"],
)
def test_a_mistake_is_told_in_one_line(
    words: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("folder").mkdir()
    assert call("known", *words) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert told in error


def test_a_search_begins_with_own_known_crystals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("solve", "example=cod_2016452", "starts=isotypes", "starts.known=mine.npz") == 2
    assert "starts.known=mine.npz: there is no such file" in capsys.readouterr().err
    assert call("known", "source.count=20", "out=mine.npz") == 0
    assert call("solve", "example=cod_2016452", "starts=isotypes", "starts.known=mine.npz", "run=solved") == 0
    assert "starts.known=mine.npz" in (tmp_path / "solved" / "solve.html").read_text(encoding="utf-8")
