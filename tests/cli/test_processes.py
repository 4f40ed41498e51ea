"""Two processes that train together give the weights of one process with the same crystals per step."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl

from phaselearn.commands.processes import check_started
from phaselearn.errors import UserError
from tests.cli.folders import SMALL, TRAIN, assert_same_training, command, metric_rows, results
from tests.cli.inside import call

# All training crystals are one step, so that both take the same; the 19 validation crystals are shared out as 10 and 9.
RUN = (SMALL[0], *SMALL[2:3], "evaluation.shown=0", "evaluation.methods=[phase_zero]", "data.train_size=64")
TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.precision=32-true")


@pytest.mark.slow
def test_two_processes_train_and_judge_as_one(tmp_path: Path) -> None:
    command(tmp_path, *TRAIN, *RUN, "trainer.max_epochs=2", "data.batch_size=64", "run=outputs/one")
    done = command(tmp_path, *TRAIN, *RUN, *TWO, "trainer.max_epochs=2", "data.batch_size=32", "run=outputs/two")
    one, two = (tmp_path / "outputs" / name for name in ("one", "two"))
    assert len(metric_rows(one)) == len(metric_rows(two)) == 4
    for ours, theirs in zip(metric_rows(two), metric_rows(one), strict=True):
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            assert float(ours[name]) == pytest.approx(float(value), rel=1e-4, abs=1e-5), name
    for ours, theirs in zip(results(two), results(one), strict=True):
        assert ours["n"] == theirs["n"]
        assert float(ours["median_cc"]) == pytest.approx(float(theirs["median_cc"]), abs=1e-4)
    # One process writes and prints, and no library has a word to say.
    assert "Warning" not in done.stderr
    assert "recommended" not in done.stderr
    assert done.stdout.count("page:   ") == 1
    written = {path.name for path in two.iterdir() if path.suffix != ".log"}
    assert written == {path.name for path in one.iterdir() if path.suffix != ".log"}
    assert {path.name for path in two.parent.iterdir()} == {"one", "two", "stores"}


@pytest.mark.slow
def test_two_processes_go_on_with_a_run(tmp_path: Path) -> None:
    command(tmp_path, *TRAIN, *RUN, *TWO, "model=cnn", "data.batch_size=32", "trainer.max_epochs=2", "run=whole")
    command(tmp_path, *TRAIN, *RUN, *TWO, "model=cnn", "data.batch_size=32", "trainer.max_epochs=1", "run=parts")
    # The second process finds the new key in the run's configuration, where the first one has put it.
    done = command(tmp_path, *TRAIN, "resume=parts", "trainer.max_epochs=2", "+trainer.benchmark=false")
    assert "Warning" not in done.stderr
    assert_same_training(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        pytest.param(["resume=run"], ["resume=run"], marks=pytest.mark.slow),
        (["resume=run", "trainer.max_epochs=2"], ["resume=run", "trainer.max_epochs=2"]),
        pytest.param(["-m", *RUN, "seed=1", "hydra.sweep.dir=sweep"], [*RUN, "seed=1"], marks=pytest.mark.slow),
    ],
)
def test_the_processes_that_lightning_starts_are_given_what_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str], given: list[str]
) -> None:
    """Lightning takes it from sys.argv: an earlier run is not lost on the way, nor the job of a multirun."""
    started: list[list[str]] = []

    def fit(*_: object, **__: object) -> None:
        started.append(sys.argv)
        raise UserError("that will do")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pl.Trainer, "fit", fit)
    # Processes of pytest-xdist were not begun by a script.
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "bin/phaselearn", raising=False)
    assert call("train", *RUN, "run=run") == 2
    assert call("train", *typed) == 2
    [script, *words] = started[1]
    assert script == "bin/phaselearn"
    assert words == ["train", *given]


@pytest.mark.parametrize("variable", ["WORLD_SIZE", "SLURM_STEP_NUM_TASKS"])
def test_processes_that_others_start_need_one_folder(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "2")
    for allowed in (["run=outputs/a"], ["resume=outputs/a"], ["hydra.run.dir=outputs/a"]):
        check_started(allowed)
    with pytest.raises(UserError, match="add run=outputs/NAME"):
        check_started(["trainer=ddp"])
    with pytest.raises(UserError, match="leave torchrun or srun out"):
        check_started(["-m", "loss=mse,l1", "run=outputs/a"])
    monkeypatch.setenv(variable, "1")
    check_started([])
