"""A resumed run may change some settings and not others; weights that are not finite are not kept."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from tests.cli.folders import weights
from tests.cli.inside import call, new_folder

SHORT = (
    *("data=hkl10", "source.count=40", "data.store=octant.zarr", "model.hidden_sizes=[5]"),
    *("trainer.max_epochs=1", "evaluation=none", "quiet=true"),
)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run, in which all following commands work."""
    with new_folder(tmp_path_factory) as folder:
        assert call("train", *SHORT, "run=first") == 0
        yield folder


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("model.hidden_sizes=[7]", "is of another model or grid (layers.0"),
        ("optim.optimizer._target_=torch.optim.AdamW", "holds the state of torch.optim.Adam, and optim.optimizer is"),
        ("weights=first", "goes on from its own weights, so weights=first has no use"),
    ],
)
def test_a_change_that_a_resumed_run_cannot_make_is_refused_and_the_run_stays_as_it_was(workplace, capfd, change, told):
    run = workplace / "first"
    before = {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()}
    capfd.readouterr()
    assert call("train", "resume=first", change, "trainer.max_epochs=2") == 2
    line = capfd.readouterr().err.splitlines()[-1]
    assert f"error: {run.relative_to(workplace) / 'last.ckpt'} {told}" in line.replace(f"{workplace}/", "")
    assert "nothing was changed" in line
    assert {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()} == before


def test_a_resumed_run_takes_another_learning_rate(workplace):
    assert call("train", *SHORT, "run=rate") == 0
    before = weights(workplace / "rate")
    assert call("train", "resume=rate", "optim.optimizer.lr=0.0", "trainer.max_epochs=2", "quiet=true") == 0
    assert OmegaConf.load(workplace / "rate" / "config.yaml").optim.optimizer.lr == 0
    for name, values in weights(workplace / "rate").items():
        torch.testing.assert_close(values, before[name], rtol=0, atol=0)


@pytest.mark.parametrize(
    "change",
    [
        lambda saved: saved | {"state_dict": list(saved["state_dict"].values())},
        lambda saved: saved | {"state_dict": dict.fromkeys(saved["state_dict"], 3)},
        lambda saved: saved | {"state_dict": {name: one.to_sparse() for name, one in saved["state_dict"].items()}},
        lambda saved: saved | {"state_dict": {name: one.to("meta") for name, one in saved["state_dict"].items()}},
        lambda saved: saved | {"state_dict": {name: one * torch.inf for name, one in saved["state_dict"].items()}},
        lambda saved: saved | {"loops": {}},
        lambda saved: {name: part for name, part in saved.items() if name != "optimizer_states"},
    ],
    ids=["a list", "numbers", "sparse", "meta", "infinite", "without loops", "without an optimiser"],
)
def test_a_checkpoint_that_a_stranger_wrote_is_one_line(workplace, capfd, change):
    run = workplace / "strange"
    shutil.copytree(workplace / "first", run, dirs_exist_ok=True)
    saved = torch.load(run / "last.ckpt", map_location="cpu", weights_only=True)
    torch.save(change(saved), run / "last.ckpt")
    before = {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()}
    capfd.readouterr()
    assert call("train", "resume=strange", "trainer.max_epochs=2", "quiet=true") == 2
    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "strange/last.ckpt" in line
    assert {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()} == before


@pytest.mark.parametrize("place", ["moved", "linked"])
def test_a_run_under_another_name_keeps_its_best_weights(workplace, recwarn, place):
    """Lightning would take the next validation, which is worse, for the best one."""
    if place == "moved":
        shutil.copytree(workplace / "first", workplace / place)
    else:
        (workplace / place).symlink_to(workplace / "first", target_is_directory=True)
    before = (workplace / place / "best.ckpt").read_bytes()
    assert call("train", f"resume={place}", "optim.optimizer.lr=30.0", "trainer.max_epochs=2", "quiet=true") == 0
    assert (workplace / place / "best.ckpt").read_bytes() == before
    assert not any("dirpath" in str(warning.message) for warning in recwarn)


def test_a_run_without_a_validation_is_judged_by_its_last_weights(workplace, capfd):
    judged = (*SHORT[:-2], "quiet=false", "evaluation=table", "evaluation.methods=[]")
    assert call("train", *judged, "trainer.limit_val_batches=0", "run=unvalidated") == 0
    told, warned = capfd.readouterr()
    assert "last.ckpt" in told
    assert "monitored key" not in warned
    assert "that it began with" not in told
    assert call("evaluate", "run=unvalidated") == 2
    assert "unvalidated evaluation.checkpoint=last`" in capfd.readouterr().err
    assert call("evaluate", "run=unvalidated", "evaluation.checkpoint=last", "evaluation=table") == 0


def test_weights_that_the_last_step_spoils_are_not_kept(workplace, capfd):
    capfd.readouterr()
    assert call("train", *SHORT, "optim.optimizer.lr=1e38", "run=spoilt") == 2
    assert "not finite in epoch 0" in capfd.readouterr().err.splitlines()[-1]
    assert not list((workplace / "spoilt").glob("*.ckpt"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("optim.optimizer.lr=inf",), "optim.optimizer cannot be built (the learning rate is inf)"),
        (("observation.d_min=1000",), "none of the validation crystals can be judged, since fewer than 20"),
        (("callbacks=early_stopping", "callbacks.early_stopping.patience=-1"), "patience=-1: at least 0 is needed"),
        (("weights=spoilt.ckpt",), "spoilt.ckpt is not a readable checkpoint (layers.0."),
        (("weights=pickled.ckpt",), "pickled.ckpt is not a readable checkpoint (UnpicklingError): train again"),
    ],
    ids=["rate", "resolution", "patience", "not a number", "a pickle"],
)
def test_what_cannot_train_is_told_in_one_line(workplace, capfd, words, told):
    saved = torch.load(workplace / "first" / "last.ckpt", map_location="cpu", weights_only=True)
    next(iter(saved["state_dict"].values()))[0] = torch.nan
    torch.save(saved, workplace / "spoilt.ckpt")
    (workplace / "pickled.ckpt").write_bytes(pickle.dumps({"state_dict": {}}, protocol=4))
    capfd.readouterr()
    assert call("train", *SHORT, *words, "run=refused") == 2
    [line] = capfd.readouterr().err.splitlines()
    assert told in line
