"""The functions of `import phaselearn` for networks and their data."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
import yaml

import phaselearn
from phaselearn import PairDataModule, build_data, load_data, load_model
from phaselearn.errors import UserError
from phaselearn.models.mlp import MultilayerPerceptron
from tests.cli.folders import SMALL, table
from tests.cli.inside import call, new_folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch, judged on all of its test crystals."""
    with new_folder(tmp_path_factory) as folder:
        quick = ("trainer.max_epochs=1", "evaluation=table")
        assert call("train", *SMALL, *quick, f"data.store={folder}/a.zarr", "run=run") == 0
    return folder / "run"


def test_a_loaded_network_gives_the_results_of_its_run(run: Path) -> None:
    model, data = load_model(run), load_data(run)
    assert not model.training
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    trainer.test(model, data.evaluation_loader("test", 8), verbose=False)
    [row] = [row for row in table(run / "results.csv") if (row["method"], row["subset"]) == ("mlp", "all")]
    assert float(trainer.callback_metrics["test/median_cc"]) == pytest.approx(float(row["median_cc"]), abs=1e-6)


def test_a_network_predicts_a_density_for_each_crystal_of_a_batch(run: Path) -> None:
    batch = next(iter(load_data(run).test_dataloader()))
    with torch.no_grad():
        assert load_model(run, checkpoint="last")(batch).shape == batch["density"].shape


def test_a_checkpoint_alone_is_enough_to_build_its_network(run: Path, tmp_path: Path) -> None:
    moved = shutil.copy(run / "best.ckpt", tmp_path / "mine.ckpt")
    batch = next(iter(load_data(run).test_dataloader()))
    with torch.no_grad():
        assert torch.equal(load_model(moved)(batch), load_model(run)(batch))


def test_a_checkpoint_holds_its_settings_as_plain_values(run: Path) -> None:
    """Only such values load with `weights_only=True`; the place of the store is the machine's own."""
    settings = torch.load(run / "best.ckpt", weights_only=True)["hyper_parameters"]
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert settings["data"]["store"] is None
    assert settings["data"] | {"store": config["data"]["store"]} == config["data"]
    assert all(settings[key] == config[key] for key in settings if key != "data")
    assert settings.keys() >= {"model", "loss", "optim", "data", "observation"}


def test_the_class_alone_loads_no_checkpoint_and_says_what_does(run: Path) -> None:
    path = run / "best.ckpt"
    with pytest.raises(UserError) as told:
        MultilayerPerceptron.load_from_checkpoint(path)
    [code] = re.findall(r"`(from phaselearn import .*?)`", str(told.value))
    names: dict[str, object] = {}
    exec(code, names)
    assert isinstance(names["model"], MultilayerPerceptron)


def test_a_store_alone_gives_the_data_of_the_base_configuration(run: Path) -> None:
    store = f"{run.parent}/a.zarr"
    # The options data=hkl10_full and model=mlp set others than conf/data/_base.yaml.
    configured = build_data(f"data.store={store}", "data.batch_size=32", "data.input_transform=amplitude")
    data = PairDataModule(store)
    ours, theirs = next(iter(data.training_loader())), next(iter(configured.training_loader()))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    for name in ("preparation", "training", "loading", "definition"):
        assert getattr(data, name) == getattr(configured, name), name


def test_a_store_alone_trains_a_network_of_lightning(run: Path) -> None:
    model = load_model(run)
    before = [parameter.clone() for parameter in model.parameters()]
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=2,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(model.train(), datamodule=PairDataModule(run.parent / "a.zarr"))
    assert not all(map(torch.equal, before, model.parameters()))


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
        (lambda folder: load_model(folder / "run" / "metrics.csv"), "is not a readable checkpoint"),
        (lambda folder: PairDataModule(folder / "nowhere.zarr"), "nowhere.zarr"),
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


def test_a_checkpoint_from_a_stranger_names_no_class(run: Path, tmp_path: Path) -> None:
    checkpoint = torch.load(run / "best.ckpt", weights_only=True)
    checkpoint["hyper_parameters"]["model"] = {"_target_": "os.system", "command": f"touch {tmp_path / 'canary'}"}
    torch.save(checkpoint, tmp_path / "forged.ckpt")
    with pytest.raises(UserError, match=r"model\._target_=os\.system is not allowed.*`trust=True`"):
        load_model(tmp_path / "forged.ckpt")
    assert not (tmp_path / "canary").exists()


def test_weights_without_settings_are_refused(run: Path, tmp_path: Path) -> None:
    checkpoint = torch.load(run / "best.ckpt", weights_only=True)
    del checkpoint["hyper_parameters"]
    torch.save(checkpoint, tmp_path / "old.ckpt")
    with pytest.raises(UserError, match="without the settings of their network: name the run folder"):
        load_model(tmp_path / "old.ckpt")


def test_the_version_is_that_of_the_citation() -> None:
    assert f"version: {phaselearn.__version__}\n" in (Path(__file__).parents[1] / "CITATION.cff").read_text()


def test_the_import_is_quick() -> None:
    """Names are looked up when they are asked for: the import loads neither torch nor Lightning."""
    code = "import sys, phaselearn; print({'torch', 'pytorch_lightning', 'hydra'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
