"""Two processes that train together give what one gives on the same crystals a step."""

from __future__ import annotations

from pathlib import Path

import pytest

from phaselearn.commands.processes import check_started
from phaselearn.errors import UserError
from tests.cli.folders import SMALL, TRAIN, command, metric_rows, table

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
    for ours, theirs in zip(table(two / "results.csv"), table(one / "results.csv"), strict=True):
        assert ours["n"] == theirs["n"]
        assert float(ours["median_cc"]) == pytest.approx(float(theirs["median_cc"]), abs=1e-4)
    # One process writes and prints, and no library has a word to say.
    assert "Warning" not in done.stderr
    assert "recommended" not in done.stderr
    assert done.stdout.count("page:   ") == 1
    written = {path.name for path in two.iterdir() if path.suffix != ".log"}
    assert written == {path.name for path in one.iterdir() if path.suffix != ".log"}
    assert {path.name for path in two.parent.iterdir()} == {"one", "two", "stores"}


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
