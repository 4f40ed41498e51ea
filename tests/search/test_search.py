"""Searches from the command line: killed and resumed, pruned, and shown."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra.core.global_hydra import GlobalHydra

from phaselearn.commands.train import main
from phaselearn.errors import UserError
from phaselearn.search.study import alone
from tests.cli.folders import SIX_DIGITS, SMALL, TRAIN, command, metric_rows

optuna = pytest.importorskip("optuna", reason="optuna is not installed: pip install 'phaselearn[sweep]'")

KILLED = """
import os
import signal
from pathlib import Path
from pytorch_lightning import Callback

class Killed(Callback):
    # Kills the process in the second epoch of trial 1 of the search in `killed`, once.

    def on_train_batch_end(self, trainer, *_):
        folder = Path(trainer.default_root_dir)
        if folder.parts[-2:] == ("killed", "1") and trainer.current_epoch == 1 and not Path("was_killed").exists():
            Path("was_killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
"""
RUN = (*SMALL[:3], "evaluation=table", "evaluation.methods=[]", "~callbacks.pictures", "trainer.max_epochs=3")
SEARCH = (
    *("-m", "sweep=optuna", *RUN, "+callbacks.killed._target_=killed.Killed"),
    *("optim.optimizer.lr=tag(log,interval(1e-5,1e-1))", "loss=mse,l1"),
    *("hydra.sweeper.n_trials=3", "hydra.sweeper.pruner.n_startup_trials=1", "hydra.sweeper.pruner.n_warmup_steps=1"),
)


def train(*arguments: str) -> None:
    """Run `train.py` in this process."""
    GlobalHydra.instance().clear()
    before, sys.argv = sys.argv, ["train.py", *arguments]
    try:
        main()
    finally:
        sys.argv = before
        GlobalHydra.instance().clear()


def trials(folder: Path) -> list[optuna.trial.FrozenTrial]:
    """Return the trials of a search."""
    return optuna.load_study(study_name=None, storage=f"sqlite:///{folder}/study.db").trials


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands are given."""
    folder = tmp_path_factory.mktemp("workplace")
    (folder / "killed.py").write_text(KILLED)
    return folder


@pytest.fixture(autouse=True)
def _there(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    monkeypatch.syspath_prepend(str(workplace))


@pytest.fixture(scope="module")
def whole(workplace: Path) -> Path:
    """A search that is never stopped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workplace)
        patch.syspath_prepend(str(workplace))
        train(*SEARCH, "hydra.sweep.dir=outputs/whole")
    return workplace / "outputs" / "whole"


def test_trials_are_told_apart_in_study_folders_and_page(whole: Path) -> None:
    states = [trial.state.name for trial in trials(whole)]
    assert len(states) == 3
    assert {"COMPLETE", "PRUNED"} == set(states)
    for trial in trials(whole):
        folder = whole / str(trial.number)
        scores = [float(row["val/median_cc"]) for row in metric_rows(folder) if "val/median_cc" in row]
        assert list(trial.intermediate_values.values()) == pytest.approx(scores, rel=SIX_DIGITS)
        assert (folder / "pruned.txt").exists() == (trial.state.name == "PRUNED")
        assert (folder / "results.csv").exists() == (trial.state.name == "COMPLETE")
        assert len(scores) == (3 if trial.state.name == "COMPLETE" else 2)
        if trial.state.name == "COMPLETE":
            assert trial.value == pytest.approx(max(scores), rel=SIX_DIGITS)
        assert f"loss={trial.params['loss']}" in (folder / "command.txt").read_text()
    page = (whole / "multirun.html").read_text()
    assert f"3, {states.count('COMPLETE')} of them judged, {states.count('PRUNED')} given up (pruned)" in page
    best = optuna.load_study(study_name=None, storage=f"sqlite:///{whole}/study.db").best_trial
    assert f"<dd>{best.number}: val/median_cc" in page
    assert "parcoords" in page


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on_with_the_same_command(workplace: Path, whole: Path) -> None:
    folder = workplace / "outputs" / "killed"
    given = (*SEARCH, "hydra.sweep.dir=outputs/killed")
    killed = command(workplace, *TRAIN, *given, succeeds=False)
    assert killed.returncode == -signal.SIGKILL
    assert [trial.state.name for trial in trials(folder)] == ["COMPLETE", "RUNNING"]
    first = (folder / "0" / "last.ckpt").stat().st_mtime_ns
    for _ in range(2):  # a finished search is left as it is
        train(*given)
        assert (folder / "0" / "last.ckpt").stat().st_mtime_ns == first
        for ours, theirs in zip(trials(folder), trials(whole), strict=True):
            assert (ours.state, ours.params, ours.values) == (theirs.state, theirs.params, theirs.values)
            assert ours.intermediate_values == theirs.intermediate_values
            assert metric_rows(folder / str(ours.number)) == metric_rows(whole / str(ours.number))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(
            (*SEARCH, "seed=1", "hydra.sweep.dir=outputs/whole"),
            "hydra.sweep.dir=outputs/NAME",
            marks=pytest.mark.slow,
        ),
        (("-m", "sweep=optuna", "seed=1", "hydra.sweep.dir=outputs/new"), "a search needs something to search"),
        pytest.param(
            ("-m", "sweep=optuna", "loss=mse,mea", "hydra.sweep.dir=outputs/new"),
            "did you mean mse",
            marks=pytest.mark.slow,
        ),
        ((*RUN, "optimize=val/medain_cc"), "did you mean val/median_cc?"),
        pytest.param(("optimize=val/loss",), "add direction=min", marks=pytest.mark.slow),
        (("direction=maximum",), "allowed are max, min"),
    ],
)
def test_a_mistake_is_one_line(
    workplace: Path, whole: Path, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    capfd.readouterr()
    with pytest.raises(SystemExit) as stopped:
        train(*arguments)
    assert stopped.value.code == 2
    [line] = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert told in line
    assert len(trials(whole)) == 3
    assert not (workplace / "outputs" / "new").exists()


def test_one_process_at_a_time_goes_on_with_a_search(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(UserError, match="continues the search"), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass


def test_jobs_of_slurm_ask_for_what_they_need(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As far as it can be seen without SLURM: the script that submitit would give to sbatch."""
    submitit = pytest.importorskip("submitit", reason="submitit is not installed: pip install 'phaselearn[sweep]'")
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    from hydra.core.utils import JobReturn, JobStatus

    given = []

    def map_array(executor: submitit.AutoExecutor, function: object, *jobs: object) -> list[SimpleNamespace]:
        given.append((executor, jobs))
        return [SimpleNamespace(results=lambda: [JobReturn(status=JobStatus.COMPLETED)]) for _ in jobs[0]]

    (workplace / "bin").mkdir()
    (workplace / "bin" / "srun").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(workplace / "bin"), prepend=os.pathsep)
    monkeypatch.setattr(submitit.AutoExecutor, "map_array", map_array)
    no_page = "~hydra.callbacks.multirun_page"  # the jobs are not run, so there is nothing to list
    train("-m", "hydra/launcher=slurm", "data.train_size=20,40", "hydra.launcher.partition=gpu", no_page)
    [(executor, (overrides, _, numbers, *_))] = given
    assert [*numbers] == [0, 1]
    assert [*overrides] == [["data.train_size=20"], ["data.train_size=40"]]
    assert executor._executor.max_num_timeout == 10
    script = executor._executor._make_submission_file_text("command", "job")
    asked = ("gpus-per-node=1", "cpus-per-task=8", "mem=32GB", "time=240", "partition=gpu", "signal=USR2@120")
    for option in asked:
        assert f"#SBATCH --{option}" in script
