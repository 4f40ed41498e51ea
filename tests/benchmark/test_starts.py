"""Starts of the solver by name: options of conf/starts, and the networks of run folders."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.errors import InstantiationException
from omegaconf import OmegaConf

from phaselearn.benchmark.runner import ModelContender
from phaselearn.commands.benchmark import _contenders
from phaselearn.commands.plain_config import plain_values
from phaselearn.commands.session import build_model
from phaselearn.errors import UserError
from phaselearn.models.unrolled_network import UnrolledNetwork
from phaselearn.phasing.flipped_starts import FlippedStarts
from phaselearn.phasing.starts import RandomStarts
from phaselearn.report.training_set import TrainingSet
from phaselearn.solver.network_starts import NetworkStarts
from phaselearn.solver.predicted_starts import PredictedStarts
from phaselearn.testing.batches import DEFINITION
from phaselearn.testing.options import composed, options

SAME = ("short_flipping+unrolled", "flipping_unrolled")


def contenders(*starts: str, **search: Any) -> list[Any]:
    config = {
        "models": ["phase_zero", "solver"],
        "search": {"starts": list(starts), "counts": None, "seconds": None, "composition_rounds": 0} | search,
        "device": "cpu",
        "trust": False,
    }
    return _contenders(OmegaConf.create(config))


def run_folder(folder: Path, model: str, *overrides: str) -> Path:
    """Write the run folder of an untrained network."""
    folder.mkdir()
    config = plain_values(composed(f"model={model}", "data=hkl10_full", *overrides))
    config.pop("hydra", None)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(config))
    torch.manual_seed(1)
    network = UnrolledNetwork(width=4, hidden=2, cycles=2, weights=None)
    state = {f"network.{name}": values for name, values in network.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 0, "global_step": 0}, folder / "best.ckpt")
    TrainingSet(formulas=frozenset({"NaCl"}), prototypes=frozenset({"AB_225_a_b"})).write(folder)
    return folder


def test_every_option_of_starts_is_a_method_of_its_own() -> None:
    names = options("starts")
    zero, *methods = contenders(*names, counts=[1, 3], seconds=2.0, composition_rounds=4)
    assert [zero.name, *(each.name for each in methods)] == ["phase_zero", *(f"solver:{name}" for name in names)]
    assert len({each.identity for each in methods}) == len(methods)
    for each in methods:
        model = each.build(DEFINITION)
        assert (list(model.search.plan.counts), model.search.plan.seconds) == ([1, 3], 2.0)
        assert model.search.refinement is not None
        assert model.search.refinement.composition_rounds == 4
    assert [each.name for each in contenders()] == ["phase_zero", "solver"]


def test_the_network_of_a_run_is_a_start(tmp_path: Path) -> None:
    changes = ("model.network.width=4", "model.network.hidden=2", "model.network.cycles=2")
    folder = run_folder(tmp_path / "mine", "unrolled", *changes)
    [_, method] = contenders(str(folder))
    assert isinstance(method, ModelContender)
    assert (method.name, method.training) == ("solver:mine", TrainingSet.read(folder))
    starts = method.build(DEFINITION).search.starts
    assert isinstance(starts, NetworkStarts)
    assert isinstance(starts.begin, RandomStarts)
    saved = torch.load(folder / "best.ckpt", weights_only=True)["state_dict"]
    for name, values in starts.network.state_dict().items():
        assert torch.equal(values, saved[f"network.{name}"])
    before = method.identity
    saved["network.keep"] += 1
    torch.save({"state_dict": saved, "epoch": 0, "global_step": 0}, folder / "best.ckpt")
    assert contenders(str(folder))[1].identity != before


def test_the_network_of_a_run_improves_the_phases_of_an_option(tmp_path: Path) -> None:
    changes = ("model.network.width=4", "model.network.hidden=2", "model.network.cycles=2")
    folder = run_folder(tmp_path / "a+b", "unrolled", *changes)
    [_, alone, behind] = contenders(str(folder), f"short_flipping+{folder}")
    assert (alone.name, behind.name) == ("solver:a+b", "solver:short_flipping+a+b")
    assert alone.identity != behind.identity
    starts = behind.build(DEFINITION).search.starts
    assert isinstance(starts.begin, FlippedStarts)
    assert starts.completion.keep
    assert torch.equal(starts.network.keep, alone.build(DEFINITION).search.starts.network.keep)


def test_the_packages_network_behind_short_flipping_is_that_of_the_solver() -> None:
    named, shipped = (method.build(DEFINITION).search.starts for method in contenders(*SAME)[1:])
    assert (named.completion, named.begin) == (shipped.completion, shipped.begin)
    assert named.network.cycles == shipped.network.cycles
    for name, values in named.network.state_dict().items():
        assert torch.equal(values, shipped.network.state_dict()[name]), name


@pytest.mark.parametrize("name", ["short_flipping+nothing", "short_flipping+", "nothing+unrolled", "random+flipping"])
def test_what_is_no_network_improves_no_phases(name: str) -> None:
    with pytest.raises(UserError, match=rf"starts=\S*{re.escape(name)}\S* is unknown"):
        contenders(name)


def test_a_network_that_improves_no_phases_is_given_none() -> None:
    """It is told at once: a method that fails later would leave a run folder that no other command may continue."""
    with pytest.raises(InstantiationException, match=r"cnn improves no trial phases.* starts=cnn"):
        contenders("short_flipping+cnn")


def test_a_network_that_predicts_a_density_is_a_start(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "small", "cnn", "model.width=4", "model.blocks=1")
    model = build_model(OmegaConf.load(folder / "config.yaml"), DEFINITION)
    torch.save({"state_dict": model.state_dict(), "epoch": 0, "global_step": 0}, folder / "best.ckpt")
    [_, method] = contenders(str(folder))
    assert method.name == "solver:small"
    starts = method.build(DEFINITION).search.starts
    assert isinstance(starts, PredictedStarts)
    assert (starts.transform, starts.scaling, starts.sees_total) == ("patterson", "deviation", True)
    for name, values in model.state_dict().items():
        assert torch.equal(starts.model.state_dict()[name], values), name
