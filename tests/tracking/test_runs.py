"""Runs with logger=[wandb,tensorboard] as a user starts them, read back from the files that they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.cli.folders import SIX_DIGITS, SMALL, TRAIN, command, environment, metric_rows, table
from tests.tracking.wandb_files import WandbFile, read_wandb_file, wandb_files

accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator",
    reason="tensorboard is not installed: pip install 'phaselearn[tensorboard]'",
)

BARE = (*SMALL[:3], "evaluation=none", "~callbacks.pictures", "trainer.max_epochs=1")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a user without a key."""
    return tmp_path_factory.mktemp("workplace")


@pytest.fixture(scope="module", autouse=True)
def _without_key(workplace: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("WANDB_")]:
            patch.delenv(name)
        patch.setenv("HOME", str(workplace / "home"))
        patch.setenv("NETRC", str(workplace / "home" / "netrc"))
        yield


def train(workplace: Path, name: str, *choices: str) -> tuple[Path, str, WandbFile]:
    """Train for two epochs; return the run folder, what was told, and what W&B keeps of it."""
    done = command(workplace, *TRAIN, *SMALL, *choices, "trainer.max_epochs=2", f"run=outputs/{name}")
    run = workplace / "outputs" / name
    [path] = wandb_files(run)
    return run, done.stderr, read_wandb_file(path)


@pytest.fixture(scope="module")
def begun(workplace: Path) -> tuple[Path, str, WandbFile]:
    """A run without pictures."""
    return train(workplace, "run", "logger=wandb", "evaluation=table", "~callbacks.pictures")


@pytest.fixture(scope="module")
def illustrated(workplace: Path) -> tuple[Path, str, WandbFile]:
    """A run with pictures in every epoch and in the end, by both loggers."""
    pictures = (
        "evaluation.shown=1",
        "callbacks.pictures.every_n_epochs=1",
        "callbacks.pictures.crystals=1",
        "callbacks.pictures.share=1000",
    )
    return train(workplace, "illustrated", "logger=[wandb,tensorboard]", *pictures)


@pytest.fixture(scope="module")
def resumed(workplace: Path, illustrated: tuple[Path, str, WandbFile]) -> tuple[Path, WandbFile, WandbFile]:
    """The same run resumed, and both files of W&B."""
    run, _, first = illustrated
    command(workplace, *TRAIN, "resume=outputs/illustrated", "trainer.max_epochs=3")
    _, path = wandb_files(run)
    return run, first, read_wandb_file(path)


def test_a_run_without_key_is_offline_and_says_how_to_upload_it(begun: tuple[Path, str, WandbFile]) -> None:
    run, told, _ = begun
    [line] = [line for line in told.splitlines() if "W&B" in line or "wandb" in line]
    assert f"`wandb sync {run / 'wandb'}`" in line
    sync = [sys.executable, "-m", "wandb", "sync", "--dry-run", str(run / "wandb")]
    listed = subprocess.run(sync, cwd=run, env=environment(run), capture_output=True, text=True, check=True)
    assert "Would sync 1 run" in listed.stderr
    assert not (run.parents[1] / "wandb").exists()


def test_the_run_has_its_configuration_commit_and_store(begun: tuple[Path, str, WandbFile]) -> None:
    run, _, kept = begun
    assert (run / "wandb_run_id").read_text().strip() == kept.run.run_id
    assert (kept.run.project, kept.run.display_name, kept.run.job_type) == ("phaselearn", "run", "train")
    assert kept.exit_code == 0
    assert kept.config["source"]["count"] == 120
    assert kept.config["optim"]["optimizer"]["lr"] == 0.001
    assert kept.config["choices"]["model"] == "mlp"
    assert kept.config["commit"]
    store = kept.config["store"]
    assert store["source"]["fingerprint"]
    assert store["definition"]["size"] == 10
    assert sum(store["crystals"][split] for split in ("train", "validation", "test")) == store["crystals"]["all"]


def test_the_history_is_that_of_the_metrics_file(begun: tuple[Path, str, WandbFile]) -> None:
    run, _, kept = begun
    for name in ("train/loss", "val/loss", "val/median_cc", "val/floor", "val/floor_solved"):
        steps, values = _logged(run, name)
        assert kept.series(name) == (steps, pytest.approx(values, rel=SIX_DIGITS))
        assert len(kept.series(name)[0]) == 2
    epochs = [row["epoch"] for row in kept.history]
    assert epochs == [0, 1]  # one row an epoch: training, validation and pictures are one step


def test_the_results_are_a_table_and_a_summary_beside_the_floor(begun: tuple[Path, str, WandbFile]) -> None:
    _, _, kept = begun
    shown = json.loads(_media(begun, "results.path").read_text())
    assert {row[shown["columns"].index("method")] for row in shown["data"]} == {"mlp", "phase_zero"}
    place = shown["columns"].index("median_cc")
    for row in shown["data"]:
        method = row[0] if row[0] == "phase_zero" else "network"
        assert kept.summary[f"test/{method}/{row[1]}/median_cc"] == pytest.approx(row[place])


@pytest.mark.slow
def test_pictures_are_kept_of_every_epoch(illustrated: tuple[Path, str, WandbFile]) -> None:
    _, _, kept = illustrated
    assert len({row["crystals/1.sha256"] for row in kept.history}) == 2
    figure = json.loads(_media(illustrated, "crystals_3d/1.path").read_text())
    kinds = [trace["type"] for trace in figure["data"]]
    assert kinds.count("mesh3d") == 2
    # Binary arrays would be an empty picture in viewers that are older than they.
    assert all(isinstance(trace[axis], list) for trace in figure["data"] for axis in "xyz")
    for kind in ("loss_curves", "correlation", "crystal", "voxels", "pattern"):
        for path in kept.history[-1][f"figures/{kind}.filenames"]:
            assert (_files(illustrated) / path).read_bytes().startswith(b"\x89PNG")


def test_store_run_and_weights_are_linked_artifacts(begun: tuple[Path, str, WandbFile]) -> None:
    run, _, kept = begun
    store, weights = kept.artifact("store"), kept.artifact("model")
    assert store.use_after_commit
    assert not weights.use_after_commit
    assert {entry.path for entry in store.manifest.contents} == {"manifest.json", "zarr.json"}
    contents = {entry.path: entry for entry in store.manifest.contents}
    assert contents["zarr.json"].ref.endswith(".zarr/zarr.json")
    manifest = json.loads(Path(contents["manifest.json"].local_path).read_text())
    assert manifest["source"] == kept.config["store"]["source"]
    metadata = json.loads(weights.metadata)
    assert metadata["store"] == store.name
    assert metadata["commit"] == kept.config["commit"]
    assert metadata["checkpoints"]["last.ckpt"]["epoch"] == 1
    files = {entry.path: Path(entry.local_path) for entry in weights.manifest.contents}
    assert set(files) == {"best.ckpt", "last.ckpt", "config.yaml", "training_set.json"}
    assert all(path.is_relative_to(run) for path in files.values())
    checkpoint = torch.load(files["last.ckpt"], map_location="cpu", weights_only=True)
    assert checkpoint["epoch"] == metadata["checkpoints"]["last.ckpt"]["epoch"]


@pytest.mark.slow
def test_a_resumed_run_goes_on_in_the_same_run(resumed: tuple[Path, WandbFile, WandbFile]) -> None:
    run, first, second = resumed
    assert second.run.run_id == first.run.run_id
    assert second.run.resume  # `wandb sync` appends it
    steps = [row["_step"] for row in first.history + second.history]
    assert steps == sorted(set(steps))
    for name in ("train/loss", "val/loss", "val/median_cc"):
        steps, values = (before + after for before, after in zip(first.series(name), second.series(name), strict=True))
        assert (steps, pytest.approx(values, rel=SIX_DIGITS)) == _logged(run, name)
        assert len(steps) == 3


@pytest.mark.slow
def test_tensorboard_has_every_step_once(resumed: tuple[Path, WandbFile, WandbFile]) -> None:
    run, _, _ = resumed
    events = accumulator.EventAccumulator(str(run / "tensorboard"), {"images": 0, "scalars": 0}).Reload()
    for name in ("train/loss", "val/loss", "val/median_cc", "val/floor"):
        steps, values = _logged(run, name)
        assert [event.step for event in events.Scalars(name)] == steps
        assert [event.value for event in events.Scalars(name)] == pytest.approx(values, rel=SIX_DIGITS)
    assert len({event.step for event in events.Images("crystals/1")}) == 3
    assert {"crystals/1", "figures/loss_curves", "figures/correlation"} <= set(events.Tags()["images"])
    [network] = [row for row in table(run / "results.csv") if row["method"] != "phase_zero" and row["subset"] == "all"]
    [*_, last] = events.Scalars("test/network/all/median_cc")
    assert last.value == pytest.approx(float(network["median_cc"]), rel=SIX_DIGITS)
    text = b"".join(events.Tensors("results/text_summary")[-1].tensor_proto.string_val).decode()
    assert "phase-zero floor" in text


@pytest.mark.slow
def test_jobs_of_a_multirun_are_runs_of_their_own_in_one_group(workplace: Path) -> None:
    sweep = workplace / "outputs" / "rates"
    choices = ("-m", "optim.optimizer.lr=0.001,0.002", f"hydra.sweep.dir={sweep}", "logger=wandb")
    command(workplace, *TRAIN, *BARE, *choices)
    kept = [read_wandb_file(path) for job in ("0", "1") for path in wandb_files(sweep / job)]
    assert len(kept) == len({run.run.run_id for run in kept}) == 2
    assert [run.run.run_group for run in kept] == ["rates", "rates"]
    assert [run.config["optim"]["optimizer"]["lr"] for run in kept] == [0.001, 0.002]
    assert [run.exit_code for run in kept] == [0, 0]
    # With evaluation=none a job ends with its validation: nothing is judged on test crystals.
    for run in kept:
        assert "val/median_cc" in run.summary
        assert not [name for name in run.summary if name.startswith(("test/", "results"))]
    # The second job's artifacts lie in its own folder, too.
    assert all(
        str(sweep / job) in entry.local_path
        for job, run in zip(("0", "1"), kept, strict=True)
        for entry in run.artifact("model").manifest.contents
    )


@pytest.mark.slow
def test_every_metric_of_the_dashboard_is_one_that_runs_log(illustrated: tuple[Path, str, WandbFile]) -> None:
    _, _, kept = illustrated
    from phaselearn.tracking.dashboard import workspace

    logged = {name for row in kept.history for name in row} | set(kept.summary)
    media = {name.rpartition(".")[0] for name in logged}
    absent = "charge_flipping"  # not among the methods of this run
    for section in workspace("me", "phaselearn", "PhaseLearn", crystals=1).sections:
        for panel in section.panels:
            metrics = [*getattr(panel, "y", ()), *getattr(panel, "metrics", ())]
            names = {getattr(metric, "name", metric) for metric in metrics}
            assert {name for name in names if absent not in name} <= logged
            assert set(getattr(panel, "media_keys", ())) <= media


def _logged(run: Path, name: str) -> tuple[list[int], list[float]]:
    """Return the steps and the values of a metric in metrics.csv."""
    rows = [row for row in metric_rows(run) if name in row]
    return [int(row["step"]) for row in rows], [float(row[name]) for row in rows]


def _files(begun: tuple[Path, str, WandbFile]) -> Path:
    return wandb_files(begun[0])[0].parent / "files"


def _media(begun: tuple[Path, str, WandbFile], name: str) -> Path:
    return _files(begun) / begun[2].history[-1][name]
