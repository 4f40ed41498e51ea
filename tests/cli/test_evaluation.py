"""`evaluation=full`, `table` or `none`: what a run judges and writes after training."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.folders import SMALL, results, weights
from tests.cli.inside import call, new_folder

QUICK = (*SMALL, "data.store=a.zarr", "trainer.max_epochs=1")
PAGE = {"report.html", "figures", "maps", "shown.md"}
TABLES = {"results.csv", "crystals.csv"}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with new_folder(tmp_path_factory) as folder:
        assert call("train", *QUICK, "evaluation=table", "run=table") == 0
        yield folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_tables_come_without_page_and_pictures(workplace: Path) -> None:
    assert names(workplace / "table") >= {*TABLES, "best.ckpt", "metrics.csv"}
    assert not names(workplace / "table") & PAGE


def test_a_run_that_was_not_judged_is_judged_afterwards(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("train", *QUICK, "evaluation=none", "run=none") == 0
    assert not names(workplace / "none") & (PAGE | TABLES)
    assert weights(workplace / "none", "best").keys() == weights(workplace / "table", "best").keys()
    printed = capsys.readouterr().out
    assert "page: " not in printed
    [line] = [line for line in printed.splitlines() if line.startswith("judge:")]
    program, *words = shlex.split(line.removeprefix("judge:"))
    assert program == "phaselearn"
    assert call(*words) == 0
    [judged] = (workplace / "none" / "evaluations").iterdir()
    assert names(judged) >= PAGE | TABLES
    assert results(judged) == results(workplace / "table")


@pytest.mark.slow
def test_an_evaluation_has_its_own_choice(workplace: Path) -> None:
    assert call("evaluate", "run=table", "evaluation=full", "evaluation.shown=1", "evaluation.crystals=4") == 0
    [judged] = (workplace / "table" / "evaluations").iterdir()
    assert names(judged) >= PAGE | TABLES
    assert len(list((judged / "maps").glob("*.ccp4"))) == 2
