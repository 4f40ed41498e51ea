"""The functions of `import phaselearn` for networks and their data."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

import phaselearn
from phaselearn import build_data, load_data, load_model
from phaselearn.errors import UserError
from tests.cli.folders import SMALL, table
from tests.cli.inside import call, new_folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch, judged on all of its test crystals."""
    with new_folder(tmp_path_factory) as folder:
        assert call("train", *SMALL, "trainer.max_epochs=1", f"data.store={folder}/a.zarr", "run=run") == 0
    return folder / "run"


def test_a_loaded_network_gives_the_results_of_its_run(run: Path) -> None:
    model, data = load_model(run), load_data(run)
    assert not model.training
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    trainer.test(model, data.evaluation_loader("test", 8), verbose=False)
    [row] = [
        row for row in table(run / "results.csv") if (row["method"], row["subset"]) == ("MultilayerPerceptron", "all")
    ]
    assert float(trainer.callback_metrics["test/median_cc"]) == pytest.approx(float(row["median_cc"]), abs=1e-6)


def test_a_network_predicts_a_density_for_each_crystal_of_a_batch(run: Path) -> None:
    batch = next(iter(load_data(run).test_dataloader()))
    with torch.no_grad():
        assert load_model(run, checkpoint="last")(batch).shape == batch["density"].shape


def test_data_are_built_from_choices(run: Path) -> None:
    data = build_data("source.count=120", f"data.store={run.parent}/a.zarr", "data.train_size=20")
    assert len(data.rows("train")) == 20
    assert set(next(iter(data.training_loader()))) >= {"input", "density"}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (lambda folder: load_model(folder), "is not a run folder"),
        (lambda folder: load_data(folder / "nowhere"), "is not a run folder"),
        (lambda folder: load_model(folder / "run", checkpoint="first"), "has no first.ckpt"),
        (lambda folder: build_data("data=hkl30"), "data=hkl30 is unknown: allowed are"),
        (lambda folder: build_data("sead=3"), "did you mean seed"),
        (lambda folder: build_data("data.loading.cache=disk"), "data.loading.cache=disk is unknown"),
    ],
)
def test_a_mistake_is_a_user_error(run: Path, asked, told: str) -> None:
    with pytest.raises(UserError, match=told):
        asked(run.parent)


@pytest.mark.parametrize("load", [load_model, load_data])
def test_what_a_stranger_wrote_is_not_built(load, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    model = f"model: {{_target_: os.system, command: touch {canary}}}\n"
    (tmp_path / "config.yaml").write_text(model)
    with pytest.raises(UserError, match=r"model\._target_=os\.system is not allowed.*`trust=True`"):
        load(tmp_path)
    assert not canary.exists()


def test_the_version_is_that_of_the_citation() -> None:
    assert f"version: {phaselearn.__version__}\n" in (Path(__file__).parents[1] / "CITATION.cff").read_text()


def test_the_import_is_quick() -> None:
    """Names are looked up when they are asked for: the import loads neither torch nor Lightning."""
    code = "import sys, phaselearn; print({'torch', 'pytorch_lightning', 'hydra'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
