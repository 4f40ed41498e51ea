"""Settings of a training beside the options of its groups, each in one override, and their effects."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch

from phaselearn.commands.trainer import compile_forward
from phaselearn.errors import UserError
from phaselearn.losses.mse import MeanSquaredError
from phaselearn.models.mlp import MultilayerPerceptron
from tests.cli.folders import SMALL, TRAIN, assert_same_training, command, metric_rows, table, weights
from tests.cli.inside import new_folder
from tests.conftest import OCTANT

QUICK = ("evaluation.shown=0", "evaluation.methods=[]")
BARE = (*SMALL[:3], *QUICK, "evaluation=none", "data=hkl10")
STOPPED = """
import os, signal
from pytorch_lightning import Callback

class Stopped(Callback):
    def on_train_batch_start(self, trainer, model, batch, batch_index):
        if (trainer.current_epoch, batch_index) == (1, 3):
            os.kill(os.getpid(), signal.SIGINT)
"""
TOLD = """
import json, torch
from pytorch_lightning import Callback

class Told(Callback):
    def on_train_end(self, trainer, model):
        compiled = torch._dynamo.utils.counters["frames"]["ok"] > 0
        facts = {"compiled": compiled, "deterministic": torch.are_deterministic_algorithms_enabled()}
        with open(f"{trainer.default_root_dir}/told.json", "w") as file:
            json.dump(facts, file)
"""
TELL = "+callbacks.told._target_=told.Told"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with classes of the user's own: one stops a training in its second epoch, one tells how it ran."""
    with new_folder(tmp_path_factory, stopped=STOPPED, told=TOLD) as folder:
        return folder


@pytest.fixture(scope="module")
def plain_and_told(workplace: Path) -> tuple[Path, CompletedProcess[str]]:
    """A run of two epochs without any of the options, and its process."""
    done, run = train(workplace, "plain", "callbacks.lines.seconds=0.0")
    return run, done


@pytest.fixture(scope="module")
def plain(plain_and_told: tuple[Path, CompletedProcess[str]]) -> Path:
    """A run of two epochs without any of the options."""
    return plain_and_told[0]


def train(workplace: Path, name: str, *overrides: str, succeeds: bool = True) -> tuple[CompletedProcess[str], Path]:
    """Train for two epochs and return the finished process and the run folder."""
    done = command(
        workplace, *TRAIN, *BARE, "trainer.max_epochs=2", *overrides, f"run=outputs/{name}", succeeds=succeeds
    )
    return done, workplace / "outputs" / name


def assert_close(run: Path, other: Path) -> None:
    """Two runs have the same weights up to rounding."""
    ours, theirs = weights(run), weights(other)
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_averaged_weights_are_kept_and_resumed_within_an_epoch_to_the_last_bit(workplace: Path, plain: Path) -> None:
    averaged = ("callbacks=[default,ema]", "callbacks.ema.decay=0.9")
    _, whole = train(workplace, "averaged", *averaged)
    kept = torch.load(whole / "last.ckpt", map_location="cpu", weights_only=True)
    theirs = weights(plain)
    for name, value in kept["current_model_state"].items():
        assert torch.equal(value, theirs[name])  # the training itself is the same
    assert any(not torch.equal(value, theirs[name]) for name, value in kept["state_dict"].items())
    stopped, parts = train(
        workplace, "averaged_parts", *averaged, "+callbacks.stopped._target_=stopped.Stopped", succeeds=False
    )
    assert stopped.returncode == 130
    assert torch.load(parts / "last.ckpt", map_location="cpu", weights_only=True)["global_step"] == 6 + 4
    command(workplace, *TRAIN, "resume=outputs/averaged_parts", "~callbacks.stopped")
    assert_same_training(parts, whole)
    again = torch.load(parts / "last.ckpt", map_location="cpu", weights_only=True)["current_model_state"]
    assert all(torch.equal(value, again[name]) for name, value in kept["current_model_state"].items())


@pytest.mark.slow
def test_a_training_that_does_not_get_better_ends_early(workplace: Path) -> None:
    patient = ("callbacks=[default,early_stopping]", "callbacks.early_stopping.patience=2")
    done, run = train(workplace, "early", *patient, "optim.optimizer.lr=0.0", "trainer.max_epochs=9")
    assert [row["epoch"] for row in metric_rows(run) if "train/loss" in row] == ["0", "1", "2"]
    assert "in epoch 1\n" in done.stdout


@pytest.mark.slow
def test_the_rate_finder_tells_a_rate_and_trains_nothing(workplace: Path) -> None:
    done, run = train(workplace, "rate", "callbacks=[default,learning_rate_finder]")
    told = float(done.stdout.rpartition("optim.optimizer.lr=")[2].split()[0])
    assert 1e-6 < told < 1
    assert (run / "learning_rate.png").stat().st_size > 5_000
    assert not list(run.glob("*.ckpt"))
    refused = command(
        workplace, *TRAIN, "resume=outputs/rate", "callbacks.learning_rate_finder.num_training_steps=5", succeeds=False
    )
    assert refused.returncode == 2
    assert "num_training_steps=300" in refused.stderr


@pytest.mark.slow
def test_the_rate_of_a_resumed_run_is_not_searched(workplace: Path, plain: Path) -> None:
    shutil.copytree(plain, workplace / "outputs" / "begun")
    finder = "+callbacks.finder={_target_: phaselearn.callbacks.learning_rate_finder.RateFinder, min_lr: 1e-6"
    asked = (f"{finder}, max_lr: 1.0, num_training_steps: 50}}", "trainer.max_epochs=3")
    refused = command(workplace, *TRAIN, "resume=outputs/begun", *asked, succeeds=False)
    assert refused.returncode == 2
    assert "a run that is resumed has its learning rate" in refused.stderr


@pytest.mark.parametrize(
    ("profiler", "named"),
    [("simple", "optimizer_step"), pytest.param("pytorch", "aten::addmm", marks=pytest.mark.slow)],
)
def test_a_profile_is_in_the_run_folder(workplace: Path, plain: Path, profiler: str, named: str) -> None:
    _, run = train(workplace, profiler, f"profiler={profiler}")
    [profile] = run.glob("fit-profile*.txt")
    assert named in profile.read_text()
    assert_same_training(run, plain)


@pytest.mark.slow
def test_a_compiled_model_trains_as_before(workplace: Path, plain: Path) -> None:
    _, run = train(workplace, "compiled", "compile=eager", TELL)
    assert json.loads((run / "told.json").read_text()) == {"compiled": True, "deterministic": False}
    assert_close(run, plain)


def test_what_cannot_be_compiled_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MultilayerPerceptron([8], False, loss=MeanSquaredError(), definition=OCTANT)
    with pytest.raises(UserError, match=r"compile=inducter is unknown: allowed are .*inductor"):
        compile_forward(model, "inducter")
    monkeypatch.setenv("CXX", "a-compiler-that-nobody-has")
    with pytest.raises(UserError, match="finds none of a-compiler-that-nobody-has"):
        compile_forward(model, "inductor")


@pytest.mark.slow
def test_accumulated_batches_train_as_one_large_one(workplace: Path) -> None:
    whole = ("data.train_size=64", "optim.optimizer.eps=1e-3")  # Adam makes much of a rounded zero
    _, large = train(workplace, "large", *whole)
    _, run = train(workplace, "accumulated", *whole, "data.batch_size=8", "trainer.accumulate_grad_batches=2")
    assert_close(run, large)


@pytest.mark.slow
def test_clipping_and_determinism_are_one_override_each(workplace: Path, plain: Path) -> None:
    _, run = train(workplace, "deterministic", "trainer.deterministic=true", "trainer.gradient_clip_val=1e9", TELL)
    assert json.loads((run / "told.json").read_text()) == {"compiled": False, "deterministic": True}
    assert_same_training(run, plain)
    _, clipped = train(workplace, "clipped", "trainer.gradient_clip_val=1e-9")
    assert any(not torch.equal(value, weights(plain)[name]) for name, value in weights(clipped).items())


def test_a_quiet_run_prints_its_folder_alone(workplace: Path, plain: Path) -> None:
    done, run = train(workplace, "quiet", "quiet=true")
    assert done.stdout == f"{run}\n"
    assert done.stderr == ""
    assert_same_training(run, plain)


def test_progress_is_lines_where_there_is_no_terminal(plain_and_told: tuple[Path, CompletedProcess[str]]) -> None:
    run, done = plain_and_told
    first = next(float(row["val/median_cc"]) for row in metric_rows(run) if "val/median_cc" in row)
    lines = [line for line in done.stderr.splitlines() if line.startswith("epoch ")]
    # One after each step, and one after each validation, since no time has to pass between two lines.
    assert len(lines) == 2 * (6 + 1)
    assert lines[0].startswith("epoch 1 of 2, step 1, ")
    assert lines[6].startswith(f"epoch 1 of 2, step 6, val/median_cc {first:.3f}, ")
    assert "━" not in done.stdout + done.stderr


def test_a_full_disk_ends_a_run_in_a_line_and_leaves_its_last_checkpoint(workplace: Path, plain: Path) -> None:
    _, run = train(workplace, "full", "trainer.max_epochs=1")
    before = (run / "last.ckpt").read_bytes()
    # All that is written there is refused as a full disk refuses it. A link out of the folder needs trust.
    (run / "last.ckpt.partial").symlink_to("/dev/full")
    failed = command(workplace, *TRAIN, f"resume={run}", "trainer.max_epochs=2", "trust=true", succeeds=False)
    assert failed.returncode == 2
    assert f"error: No space left on device: {run / 'last.ckpt'} was not written" in failed.stderr.splitlines()[-1]
    assert f"`phaselearn train resume={run}`" in failed.stderr
    assert (run / "last.ckpt").read_bytes() == before
    command(workplace, *TRAIN, f"resume={run}", "trainer.max_epochs=2")
    assert_same_training(run, plain)


@pytest.mark.slow
def test_bfloat16_reaches_the_result_of_float32(workplace: Path) -> None:
    """The median CC of the test within 0.02, and the last training loss within 3 %."""
    results = []
    for precision in ("32-true", "bf16-mixed"):
        run = workplace / "outputs" / precision
        longer = ("source.count=600", "data.batch_size=64", "trainer.max_epochs=12", "evaluation.crystals=64", *QUICK)
        command(workplace, *TRAIN, *longer, f"trainer.precision={precision}", f"run={run}")
        row = next(row for row in table(run / "results.csv") if row["subset"] == "all")
        loss = [float(row["train/loss"]) for row in metric_rows(run) if "train/loss" in row][-1]
        results.append((float(row["median_cc"]), loss))
    (exact, exact_loss), (rounded, rounded_loss) = results
    assert rounded == pytest.approx(exact, abs=0.02)
    assert rounded_loss == pytest.approx(exact_loss, rel=0.03)
    assert rounded_loss != exact_loss  # it did compute in another precision


@pytest.mark.parametrize(
    "choices",
    [
        ("model=cnn", "model.width=8", "model.blocks=1", "data=hkl10_full", "data.loading.num_workers=1"),
        ("model=unet3d", "data=hkl10", "model.smallest=20", "model.levels=1", "model.width=2"),
    ],
    ids=["cnn", "unet3d"],
)
@pytest.mark.slow
def test_other_networks_run(workplace: Path, choices: tuple[str, ...]) -> None:
    run = f"outputs/{choices[0].partition('=')[2]}"
    limits = ("trainer.max_epochs=1", "trainer.limit_train_batches=2", "data.batch_size=4")
    command(workplace, *TRAIN, *SMALL, *choices, *limits, f"run={run}")
    assert table(workplace / run / "results.csv")
    assert weights(workplace / run)
