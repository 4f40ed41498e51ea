"""One job that fails does not end a multirun."""

from __future__ import annotations

from pathlib import Path

import pytest

from phaselearn.failures import read_failure
from tests.cli.folders import SMALL, TRAIN, command

KILLER = """
import os
import signal
from pytorch_lightning import Callback

class Killer(Callback):
    # Kills the process of job 0, as the system does when the memory is full.

    def on_train_start(self, trainer, *_):
        if trainer.default_root_dir.endswith("/0"):
            os.kill(os.getpid(), signal.SIGKILL)
"""
SHORT = (*SMALL[:3], "evaluation.shown=0", "evaluation.methods=[]", "~callbacks.pictures", "trainer.max_epochs=1")


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_the_other_jobs_of_a_multirun_run(tmp_path: Path, launcher: str) -> None:
    sweep = ("-m", "optim.optimizer.lr=1e30,1e-3,-1", "hydra.sweep.dir=it's all", f"hydra/launcher={launcher}")
    done = command(tmp_path, *TRAIN, *SHORT, *sweep, succeeds=False)
    folder = tmp_path / "it's all"
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: 2 of 3 jobs failed: 0 (optim.optimizer.lr=1e+30), 2 (optim.optimizer.lr=-1)")
    assert line.endswith("it's all/multirun.html")
    assert "Traceback" not in done.stderr
    assert (folder / "1" / "results.csv").exists()
    assert read_failure(folder / "1") is None
    page = (folder / "multirun.html").read_text()
    for number, said in ((0, "the training loss is not finite"), (2, "Invalid learning rate")):
        failure = read_failure(folder / str(number))
        assert said in str(failure)
        assert said in page


@pytest.mark.slow
def test_the_other_jobs_of_a_multirun_run_when_the_process_of_one_is_killed(tmp_path: Path) -> None:
    (tmp_path / "killer.py").write_text(KILLER)
    sweep = ("-m", "optim.optimizer.lr=1e-2,1e-3,1e-4", "hydra.sweep.dir=all", "hydra/launcher=joblib")
    done = command(tmp_path, *TRAIN, *SHORT, *sweep, "+callbacks.killer._target_=killer.Killer", succeeds=False)
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: 1 of 3 jobs failed: 0 (optim.optimizer.lr=0.01); the first because its process was")
    assert "Traceback" not in done.stderr
    failure = read_failure(tmp_path / "all" / "0")
    assert failure is not None
    assert "optim.optimizer.lr=0.01" in failure.command
    for number in (1, 2):
        assert (tmp_path / "all" / str(number) / "results.csv").exists()
        assert read_failure(tmp_path / "all" / str(number)) is None
    assert "was killed" in (tmp_path / "all" / "multirun.html").read_text()
