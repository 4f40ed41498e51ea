"""The commands from end to end, each as a process of its own."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import gemmi
import pytest
import torch
from omegaconf import OmegaConf

from tests.cli.folders import (
    PHASELEARN,
    SMALL,
    TRAIN,
    assert_same_training,
    command,
    environment,
    metric_rows,
    results,
    table,
    weights,
)
from tests.cli.inside import call, new_folder
from tests.data.files import files_of

COLUMNS = "method,subset,n,solved,strict,median_cc,gain,phase_error,left_out,failed,seconds"
RANDOM = ("data.augmentation.axes=true", "observation=noise20")
SLOW_CALLBACK = """
import time
from pytorch_lightning import Callback

class Slow(Callback):
    def on_train_batch_end(self, *_):
        time.sleep(0.2)
"""

POISONED = """
from pytorch_lightning import Callback

class Poisoned(Callback):
    def on_train_epoch_start(self, trainer, model):
        if trainer.current_epoch == 2:
            next(model.parameters()).data.fill_(float("nan"))
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder outside the checkout, with a class of the user's own."""
    with new_folder(tmp_path_factory, slow=SLOW_CALLBACK, poisoned=POISONED) as folder:
        return folder


@pytest.fixture(scope="module")
def trained(workplace: Path) -> tuple[Path, str]:
    """A run of four epochs, and what it printed."""
    done = command(
        workplace, *TRAIN, *SMALL, *RANDOM, "trainer.max_epochs=4", "evaluation.shown=1", "run=outputs/trained"
    )
    return workplace / "outputs" / "trained", done.stdout


def test_a_run_leaves_everything_in_its_folder(trained: tuple[Path, str]) -> None:
    run, _ = trained
    config = OmegaConf.load(run / "config.yaml")
    assert config.source.count == 120
    assert config.data.seed == 0
    assert "${" not in (run / "config.yaml").read_text()
    assert (run / "report.html").stat().st_size > 10_000
    assert {row["epoch"] for row in metric_rows(run)} == {"0", "1", "2", "3"}
    assert table(run / "crystals.csv")
    assert list((run / "figures").glob("*.png"))
    for which in ("best", "last"):
        assert all(value.isfinite().all() for value in weights(run, which).values())


def test_results_stand_beside_the_floor(trained: tuple[Path, str]) -> None:
    run, _ = trained
    assert (run / "results.csv").read_text().splitlines()[0] == COLUMNS
    assert all(float(row["seconds"]) > 0 for row in table(run / "results.csv"))
    rows = results(run)
    assert {row["method"] for row in rows} == {"mlp", "phase_zero"}
    assert {"all"} <= {row["subset"] for row in rows}
    for row in rows:
        assert 0 <= float(row["strict"]) <= float(row["solved"]) <= 1


def test_maps_are_readable(trained: tuple[Path, str]) -> None:
    maps = sorted((trained[0] / "maps").glob("*.ccp4"))
    assert len(maps) == 2
    for path in maps:
        volume = gemmi.read_ccp4_map(str(path), setup=True)
        assert volume.grid.shape == (10, 10, 10)
        assert path.with_suffix(".cube").read_text().count("\n") > 100


def test_a_run_prints_the_table_and_its_page(trained: tuple[Path, str]) -> None:
    run, printed = trained
    assert "phase-zero floor" in printed
    assert f"page:   {run / 'report.html'}" in printed
    best = max(float(row["val/median_cc"]) for row in metric_rows(run) if "val/median_cc" in row)
    assert f"best:   val/median_cc {best:.3f}" in printed
    assert f"more:   phaselearn train resume={run}" in printed
    count = sum(values.numel() for name, values in weights(run).items() if name.startswith("layers."))
    assert f"MultilayerPerceptron: {count:,} parameters\n" in printed
    assert "FLOPs" not in printed
    assert "val/loss" not in printed  # of the bar, which stands on one line


def test_a_resumed_run_is_the_run_that_never_stopped(workplace: Path, trained: tuple[Path, str]) -> None:
    command(workplace, *TRAIN, *SMALL, *RANDOM, "trainer.max_epochs=2", "evaluation=table", "run=outputs/stopped")
    stopped = workplace / "outputs" / "stopped"
    assert not torch.equal(*(next(iter(weights(run).values())) for run in (stopped, trained[0])))
    command(workplace, *TRAIN, "resume=outputs/stopped", "trainer.max_epochs=4")
    assert_same_training(stopped, trained[0])
    assert results(stopped) == results(trained[0])


@pytest.fixture(scope="module")
def idle(workplace: Path) -> Path:
    """A run that learns nothing."""
    choices = ("trainer.max_epochs=3", "optim.optimizer.lr=0.0", "evaluation=none", "run=outputs/idle")
    command(workplace, *TRAIN, *SMALL, *choices)
    return workplace / "outputs" / "idle"


def test_the_last_epoch_is_kept_where_nothing_improves(idle: Path) -> None:
    for which, epoch in (("best", 0), ("last", 2)):
        assert torch.load(idle / f"{which}.ckpt", map_location="cpu", weights_only=True)["epoch"] == epoch


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_the_run_and_leaves_the_last_good_weights(workplace: Path) -> None:
    spoilt = ("trainer.max_epochs=4", "+callbacks.poison._target_=poisoned.Poisoned", "run=outputs/poisoned")
    failed = command(workplace, *TRAIN, *SMALL, *spoilt, "trainer.precision=bf16-mixed", succeeds=False)
    run = workplace / "outputs" / "poisoned"
    assert failed.returncode == 2
    assert failed.stderr.splitlines()[-1].startswith("error: the training loss is not finite in epoch 2")
    clipped = ("trainer.gradient_clip_val=1.0", "optim.optimizer.fused=false")
    assert f"`phaselearn train {' '.join((f'resume={run}', *clipped))}`" in failed.stderr
    assert torch.load(run / "last.ckpt", map_location="cpu", weights_only=True)["epoch"] == 1
    assert all(value.isfinite().all() for value in weights(run).values())
    command(workplace, *TRAIN, f"resume={run}", *clipped, "~callbacks.poison", "trainer.max_epochs=3")
    assert [row["epoch"] for row in metric_rows(run) if "train/loss" in row] == ["0", "1", "2"]


@pytest.fixture(scope="module")
def whole(workplace: Path) -> Path:
    """A run that is never stopped."""
    command(workplace, *TRAIN, *SMALL, "trainer.max_epochs=4", "evaluation=none", "run=outputs/whole")
    return workplace / "outputs" / "whole"


@pytest.mark.parametrize(("name", "code"), [("SIGKILL", -9), ("SIGTERM", 143), ("SIGINT", 130)])
@pytest.mark.slow
def test_a_run_that_is_stopped_says_so_and_is_resumed_to_the_same_weights(
    workplace: Path, whole: Path, name: str, code: int
) -> None:
    killed = workplace / "outputs" / name
    process = subprocess.Popen(
        [*TRAIN, *SMALL, "trainer.max_epochs=4", "+callbacks.slow._target_=slow.Slow", f"run=outputs/{name}"],
        cwd=workplace,
        env=environment(workplace),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A shell has its background jobs ignore Ctrl-C, and they hand that on.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    try:
        limit = time.monotonic() + 120
        while not ((killed / "last.ckpt").exists() and (killed / "metrics.csv").exists()):
            assert process.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < limit
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(signal.Signals[name])
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code
    assert name == "SIGKILL" or f"outputs/{name}`" in told.splitlines()[-1]
    assert not (killed / "results.csv").exists()
    command(workplace, *TRAIN, f"resume=outputs/{name}", "~callbacks.slow")
    assert_same_training(killed, whole)


def test_evaluate_gives_the_results_of_the_run(workplace: Path, trained: tuple[Path, str]) -> None:
    command(workplace, *PHASELEARN, "evaluate", "run=outputs/trained", "evaluation.shown=0")
    [folder] = (trained[0] / "evaluations").iterdir()
    assert results(folder) == results(trained[0])
    assert (folder / "report.html").exists()


@pytest.mark.slow
def test_evaluate_with_another_observation_and_split(workplace: Path, trained: tuple[Path, str]) -> None:
    before = set((trained[0] / "evaluations").glob("*"))
    done = command(
        workplace,
        *PHASELEARN,
        "evaluate",
        "run=outputs/trained",
        "observation=d1.5",
        "evaluation.split=validation",
    )
    [folder] = set((trained[0] / "evaluations").glob("*")) - before
    assert str(folder) in done.stdout
    rows = results(folder)
    assert rows
    assert rows != results(trained[0])
    assert "the validation split" in (folder / "report.html").read_text()


@pytest.mark.slow
def test_a_named_crystal_is_judged_with_any_run(workplace: Path, trained: tuple[Path, str]) -> None:
    """Also with a run that is older than the option and others, and that was logged by what is not here."""
    run = workplace / "outputs" / "older"
    shutil.copytree(trained[0], run, ignore=shutil.ignore_patterns("evaluations"))
    config = OmegaConf.load(run / "config.yaml")
    del config.evaluation["also_shown"]
    del config["quiet"], config["compile"]
    config.logger = {"_target_": "nowhere.Logger"}
    OmegaConf.save(config, run / "config.yaml")
    command(workplace, *PHASELEARN, "evaluate", "run=outputs/older", "evaluation.also_shown=[alpha_F2]")
    [folder] = (run / "evaluations").iterdir()
    assert [row["formula"] for row in table(folder / "also_shown.csv")] == ["F2", "F2"]
    assert results(folder) == results(trained[0])
    assert [row["formula"] for row in table(folder / "crystals.csv")].count("F2") == 0
    vectors = [row["maxima"] for row in table(folder / "vectors.csv") if row["formula"] == "F2"]
    assert [vectors.count(maxima) for maxima in ("voxels", "peaks", "report")] == [6, 6, 5]
    assert [row["kind"] for row in table(folder / "symmetry.csv") if row["formula"] == "F2"] == ["-1", "2", "m"]
    assert len(list((folder / "figures").glob("*F2*.png"))) == 3
    # The named crystal first, then the one that was chosen by rank.
    headings = [line for line in (folder / "shown.md").read_text().splitlines() if line.startswith("## ")]
    assert len(headings) == 2
    assert headings[0].startswith("## F2 · alpha_F2.cif")


def test_prepare_never_replaces_a_store_unasked(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workplace)
    prepare = ("prepare", "source.count=60", "data=hkl10", "data.store=mine.zarr")
    assert "mine.zarr: " in command(workplace, *PHASELEARN, *prepare).stdout
    before = files_of(workplace / "mine.zarr")
    assert call(*prepare) == 0
    assert files_of(workplace / "mine.zarr") == before
    capfd.readouterr()
    assert call(*prepare, "source.seed=1") == 2
    assert call(*prepare, "job=2", "overwrite=true") == 2
    assert files_of(workplace / "mine.zarr") == before
    told = capfd.readouterr().err
    assert told.startswith("error: mine.zarr exists already")
    assert "overwrite=true" in told


@pytest.mark.slow
def test_a_sweep_makes_a_folder_for_each_run(workplace: Path) -> None:
    sweep = "hydra.sweep.dir=outputs/sweep"
    done = command(workplace, *TRAIN, *SMALL, "trainer.max_epochs=1", "-m", "data.train_size=20,40", sweep)
    for number, size in enumerate((20, 40)):
        run = workplace / "outputs" / "sweep" / str(number)
        assert OmegaConf.load(run / "config.yaml").data.train_size == size
        assert (run / "report.html").exists()
        assert weights(run)
        again = shlex.join(["phaselearn", "train", *SMALL, "trainer.max_epochs=1", f"data.train_size={size}"])
        assert sorted(shlex.split((run / "command.txt").read_text())) == sorted(shlex.split(again))
    page = workplace / "outputs" / "sweep" / "multirun.html"
    assert "data.train_size" in page.read_text()
    assert f"page:   {page.relative_to(workplace)}" in done.stdout


def test_runs_are_listed_and_compared(
    workplace: Path,
    trained: tuple[Path, str],
    idle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = set(workplace.iterdir())
    listed = command(workplace, *PHASELEARN, "runs").stdout
    assert trained[0].name in listed
    assert idle.name in listed
    assert re.search(r"best of \d on \w+ \(.*\): phaselearn train source.count=120", listed)  # observations differ
    assert (workplace / "outputs" / "index.html").exists()
    monkeypatch.chdir(workplace)
    assert call("runs", "compare=[outputs/trained,outputs/idle]") == 0
    assert "data.augmentation.axes" in capfd.readouterr().out
    assert (workplace / "outputs" / "comparison_trained_idle.html").exists()
    for wrong, said in (("compare=[outputs/trained]", "two run folders"), ("folder=nowhere", "not a folder")):
        assert call("runs", wrong) == 2
        assert said in capfd.readouterr().err
    assert set(workplace.iterdir()) == before


def test_runs_of_two_sweeps_are_told_apart_by_the_names_of_these(
    tmp_path: Path,
    trained: tuple[Path, str],
    idle: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(trained[0], tmp_path / "one" / "0")
    shutil.copytree(idle, tmp_path / "two" / "0")
    assert call("runs", f"compare=[{tmp_path / 'one' / '0'},{tmp_path / 'two' / '0'}]") == 0
    capfd.readouterr()
    assert "one/0 beside two/0" in (tmp_path / "two" / "comparison_one_0_two_0.html").read_text()
    assert call("runs", f"compare=[{tmp_path / 'one' / '0'},{tmp_path / 'one' / '0'}]") == 2
    assert "given twice" in capfd.readouterr().err
