"""Run folders that somebody else has made: nothing in them runs or leaks; one line and exit code 2 refuse each."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from phaselearn.commands.known_classes import WHOLE, known_classes
from phaselearn.commands.options import config_directory, option_file
from phaselearn.commands.strangers import Stranger, read_run_config
from tests.cli.folders import SMALL
from tests.cli.inside import call, new_folder
from tests.hostile import SECRET, VARIABLE, Canary, assert_harmless, one_minute_at_most, the_one_line, write_pickle
from tests.thinned import thinned

QUICK = (*SMALL, "data=hkl10", "data.store=octant.zarr", "trainer.max_epochs=1", "evaluation=table")
NUMPY = {"_target_": "numpy.load", "file": "evil.pkl", "allow_pickle": True}
PANDAS = {"_target_": "pandas.read_pickle", "filepath_or_buffer": "evil.pkl"}
JOBLIB = {"_target_": "joblib.load", "filename": "evil.pkl"}
SYSTEM = {"_target_": "os.system", "command": "touch canary"}
# Of the right package, but not the class itself: what it imports is there, too.
PREFIX = {"_target_": "phaselearn.files.os.system", "command": "touch canary"}
METHOD = {"_target_": "hydra.utils.get_method", "path": "os.system"}
LEAK = "${oc.env:" + VARIABLE + "}"

# name: what is changed in config.yaml {dotted key: value}, and what the line says.
HOSTILE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "the model": ({"model": SYSTEM}, ["model._target_=os.system", "MultilayerPerceptron"]),
    "numpy's pickle": ({"source": NUMPY}, ["source._target_=numpy.load", "phaselearn.data.sources.file.File"]),
    "pandas' pickle": ({"observation": PANDAS}, ["observation._target_=pandas.read_pickle"]),
    "joblib's pickle": ({"loss": JOBLIB}, ["loss._target_=joblib.load", "MeanSquaredError"]),
    "the right prefix": ({"source": PREFIX}, ["source._target_=phaselearn.files.os.system"]),
    "an alias of the class": (
        {"loss._target_": "phaselearn.losses.combined.Loss"},
        ["loss._target_=phaselearn.losses.combined.Loss"],
    ),
    "a nested class": ({"data.augmentation": NUMPY}, ["data.augmentation._target_=numpy.load", "Augmentation"]),
    "deeper than any option": (
        {"optim.optimizer.params": {"a": [{"b": JOBLIB}]}},
        ["optim.optimizer.params.a.*.b._target_=joblib.load", "no class may be named there"],
    ),
    "in a list": ({"trainer.plugins": [JOBLIB]}, ["trainer.plugins.*._target_=joblib.load"]),
    "positional arguments": (
        {"loss._args_": [NUMPY]},
        ["loss._args_=", "is not allowed for phaselearn.losses.mse.MeanSquaredError"],
    ),
    "another way to build": ({"loss._partial_": True}, ["loss._partial_=True"]),
    "a function by its path": ({"callbacks.more": METHOD}, ["callbacks.more._target_=hydra.utils.get_method"]),
    "a node that builds nothing": ({"evaluation.more": JOBLIB}, ["evaluation.more._target_=joblib.load"]),
    "a key of its own": ({"more": SYSTEM}, ["more._target_=os.system"]),
    "the outermost node": (SYSTEM, ["_target_=os.system"]),
    "a class of another kind": (
        {"loss": {"_target_": "phaselearn.models.mlp.MultilayerPerceptron"}},
        ["loss._target_=phaselearn.models.mlp.MultilayerPerceptron"],
    ),
    "a class that is not a text": ({"loss._target_": ["os.system"]}, ["loss._target_=['os.system']"]),
    "a class put together": ({"loss._target_": "${join:os,system}"}, ["loss._target_=${join:os,system}"]),
    "a class from the environment": ({"loss._target_": LEAK}, [f"loss._target_={LEAK}"]),
    "a variable of the environment": ({"evaluation.split": LEAK}, [f"evaluation.split={LEAK}", "is not resolved"]),
    "a variable in a path": ({"data.store": f"{LEAK}.zarr"}, ["data.store=", "is not resolved"]),
    "a variable in a list": ({"evaluation.also_shown": [LEAK]}, ["evaluation.also_shown.*=", "is not resolved"]),
    "an interpolation that is escaped": ({"optimize": f"\\{LEAK}"}, ["optimize=", "is not resolved"]),
    "a decoded value": ({"seed": "${oc.decode:0}"}, ["seed=${oc.decode:0}"]),
    "a created node": ({"loss": '${oc.create:{"_target_":"os.system"}}'}, ["loss=${oc.create:"]),
    "settings of Hydra": ({"hydra": {"job": {"env_set": {"PATH": "."}}}}, ["the key hydra"]),
    "a defaults list": ({"defaults": ["/model: cnn"]}, ["the key defaults"]),
    "trust in itself": ({"source": NUMPY, "trust": True}, ["source._target_=numpy.load"]),
    "a store elsewhere": ({"data.store": "../made/here.zarr"}, ["data.store=../made/here.zarr is not there"]),
    "stores elsewhere": ({"data.store": None, "data.build.folder": "/made"}, ["data.build.folder=/made leads out"]),
    "a name with a path": ({"data.name": "../made"}, ["data.name=../made leads out"]),
    "another run's checkpoint": ({"callbacks.last.dirpath": "outputs/other"}, ["callbacks.last.dirpath=outputs/other"]),
    "another service": ({"source.endpoint": "https://example.org"}, ["source.endpoint=https://example.org leads out"]),
    "letters that steer a terminal": ({"loss._target_": "os.\x1b[2Jsystem"}, ["os.\\x1b[2Jsystem"]),
}
OCTANT = "+regime.octant10={data: hkl10, observation: ideal}"
COMMANDS = {
    "evaluate": ("evaluate", "run=run"),
    "resume": ("train", "resume=run"),
    "benchmark": ("benchmark", "models=[run]", "count=3", "source.count=20", OCTANT, "regimes=[octant10]", "run=bench"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of one epoch and its store."""
    with new_folder(tmp_path_factory) as folder:
        assert call("train", *QUICK, "run=run") == 0
    return folder


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it with a pickle beside, in which the commands run; a secret is in the environment."""
    folder = tmp_path / "place"
    shutil.copytree(trained, folder)
    write_pickle(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv(VARIABLE, SECRET)
    return folder


@pytest.fixture
def refused(place: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must refuse in one line, without harm; return the line."""

    def run(*arguments: str) -> str:
        capfd.readouterr()
        assert call(*arguments) == 2
        printed = capfd.readouterr()
        assert_harmless(place.parent, printed.out + printed.err)
        return the_one_line(printed.err)

    return run


def change(file: Path, changes: dict[str, Any]) -> None:
    """Set values of a YAML file by their dotted keys."""
    config = yaml.safe_load(file.read_text())
    for key, value in changes.items():
        *above, last = key.split(".")
        node = config
        for name in above:
            node = node.setdefault(name, {})
        node[last] = value
    file.write_text(yaml.safe_dump(config))


# The check that refuses each of these refuses another, too.
ALIKE = {
    *(
        "pandas' pickle",
        "joblib's pickle",
        "an alias of the class",
        "in a list",
        "another way to build",
        "stores elsewhere",
    ),
    *("a node that builds nothing", "a key of its own", "a class that is not a text", "a class from the environment"),
    *("a variable in a path", "a variable in a list", "a created node", "a defaults list", "a name with a path"),
    *("a nested class", "a function by its path", "positional arguments", "a decoded value", "the outermost node"),
}


def test_what_is_left_to_the_slow_tests_is_hostile() -> None:
    assert HOSTILE.keys() > ALIKE


@pytest.mark.parametrize("name", thinned(HOSTILE, lambda name: name not in ALIKE))
def test_a_hostile_configuration_is_refused_in_one_line(place: Path, refused: Callable[..., str], name: str) -> None:
    changes, told = HOSTILE[name]
    change(place / "run" / "config.yaml", changes)
    before = sorted(place.rglob("*"))
    line = refused("evaluate", "run=run")
    assert sorted(place.rglob("*")) == before
    for snippet in ("run/config.yaml", "`phaselearn evaluate run=run trust=true`", *told):
        assert snippet in line


@pytest.mark.parametrize("command", ["resume", "benchmark"])
@pytest.mark.parametrize(
    "name", thinned(["numpy's pickle", "a nested class", "a variable of the environment"], "a nested class".__eq__)
)
def test_each_command_refuses(place: Path, refused: Callable[..., str], command: str, name: str) -> None:
    changes, told = HOSTILE[name]
    change(place / "run" / "config.yaml", changes)
    line = refused(*COMMANDS[command])
    for snippet in ("run/config.yaml", "trust=true", *told):
        assert snippet in line


def test_trust_is_the_users_to_give(place: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of one's own with a class of one's own."""
    monkeypatch.syspath_prepend(str(place))
    (place / "own_loss.py").write_text("from phaselearn.losses.mse import MeanSquaredError as Own\n")
    change(place / "run" / "config.yaml", {"loss": {"_target_": "own_loss.Own"}, "optimize": "val/${evaluation.which}"})
    change(place / "run" / "config.yaml", {"evaluation.which": "median_cc"})
    for command in COMMANDS.values():
        assert "own_loss.Own" in refused(*command)
        assert "own_loss" not in sys.modules
    for command in COMMANDS.values():
        assert call(*command, "trust=true") == 0
    assert "own_loss" in sys.modules
    assert "trust=maybe" in refused("evaluate", "run=run", "trust=maybe")


def test_a_logger_of_a_stranger_is_not_built(place: Path, refused: Callable[..., str]) -> None:
    change(place / "run" / "config.yaml", {"logger.csv": PANDAS})
    assert "logger.csv._target_=pandas.read_pickle" in refused("train", "resume=run")


def test_what_the_command_line_removes_or_replaces_is_not_looked_at(place: Path) -> None:
    change(place / "run" / "config.yaml", {"callbacks.mine": PANDAS, "data.store": "/made/here.zarr", "source": JOBLIB})
    arguments = ("~callbacks.mine", "data.store=octant.zarr", "source=prototypes", "source.count=120")
    assert call("evaluate", "run=run", *arguments) == 0
    assert not (place / "canary").exists()


@pytest.mark.parametrize("group", ["model", "loss"])
def test_an_option_is_no_path(place: Path, group: str) -> None:
    (place / "evil.yaml").write_text(yaml.safe_dump(NUMPY))
    up = os.path.relpath(place / "evil", config_directory() / group)
    assert option_file(group, str(place / "evil")) is None
    assert option_file(group, up) is None
    assert option_file(group, f"../{group}/{'mlp' if group == 'model' else 'mse'}") is None
    assert option_file(group, "mlp" if group == "model" else "mse") is not None


def test_a_link_out_of_the_run_is_not_written_through(place: Path, refused: Callable[..., str]) -> None:
    (place / "own.txt").write_text("mine\n")
    (place / "run" / "metrics.csv").unlink()
    (place / "run" / "metrics.csv").symlink_to("../own.txt")
    assert "run/metrics.csv is a link that leads out" in refused("train", "resume=run", "trainer.max_epochs=2")
    assert (place / "own.txt").read_text() == "mine\n"


@pytest.mark.parametrize("name", thinned(["training_set.json", "best.ckpt", "more"], "more".__eq__))
def test_a_pipe_in_a_run_folder_is_not_waited_for(place: Path, refused: Callable[..., str], name: str) -> None:
    (place / "run" / name).unlink(missing_ok=True)
    os.mkfifo(place / "run" / name)
    for command in COMMANDS.values():
        with one_minute_at_most():
            assert f"run/{name} is a pipe" in refused(*command)


def test_the_link_that_wandb_leaves_in_a_run_is_no_reason_to_refuse_it(place: Path) -> None:
    (place / "core.log").write_text("W&B's own\n")
    link = place / "run" / "wandb" / "offline-run-20260101_000000-abcdefgh" / "logs" / "debug-core.log"
    link.parent.mkdir(parents=True)
    link.symlink_to(place / "core.log")
    stranger = Stranger(str(place / "run" / "config.yaml"), "phaselearn evaluate run=run trust=true")
    assert read_run_config(place / "run", stranger, trusted=False).model


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a: &a [1]\nb: *a\n", "an alias"),
        ("a: " + 100 * "[" + 100 * "]", "deeper than"),
        ("a: !!python/object/apply:os.system ['touch canary']\n", "not valid YAML"),
        ("a: " + 5_000_000 * "1", "larger than"),
        ("- 1\n", "not a set of keys"),
    ],
    ids=["alias", "deep", "tag", "large", "list"],
)
def test_yaml_that_is_no_configuration(place: Path, refused: Callable[..., str], content: str, told: str) -> None:
    (place / "run" / "config.yaml").write_text(content)
    assert told in refused("evaluate", "run=run")
    shutil.copytree("run", "other")
    assert "run cannot be read" in refused("runs", "compare=[run,other]")


def test_a_comparison_of_runs_resolves_nothing(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copytree("run", "other")
    change(place / "other" / "config.yaml", {"model": JOBLIB, "loss.note": LEAK, "optimize": LEAK})
    call("runs", "compare=[run,other]")
    call("runs", "folder=.")
    printed = capfd.readouterr()
    assert_harmless(place, printed.out + printed.err)


@pytest.mark.parametrize("command", thinned(COMMANDS, "evaluate".__eq__))
def test_a_checkpoint_is_not_unpickled(place: Path, refused: Callable[..., str], command: str) -> None:
    for name in ("best.ckpt", "last.ckpt"):
        torch.save({"state_dict": Canary(place / "canary"), "epoch": 0, "global_step": 0}, place / "run" / name)
    assert "not a readable checkpoint" in refused(*COMMANDS[command])


def test_an_artifact_is_a_run_folder(place: Path, refused: Callable[..., str]) -> None:
    """As `wandb artifact get` leaves it: weights and what evaluating them takes."""
    artifact = place / "artifacts" / "weights-1a:v0"
    artifact.mkdir(parents=True)
    for name in ("best.ckpt", "last.ckpt", "config.yaml", "training_set.json"):
        shutil.copy(place / "run" / name, artifact)
    assert call("evaluate", "run='artifacts/weights-1a:v0'") == 0
    shutil.rmtree(artifact / "evaluations")
    (artifact / "training_set.json").write_text('{"formulas": 3}')
    assert "training_set.json cannot be read" in refused("evaluate", "run='artifacts/weights-1a:v0'")
    change(artifact / "config.yaml", {"model.more": PANDAS})
    assert "model.more._target_=pandas.read_pickle" in refused("evaluate", "run='artifacts/weights-1a:v0'")


def test_a_place_takes_the_classes_that_the_options_name_there() -> None:
    known = known_classes()
    losses = known.at(WHOLE, ("loss",))
    assert "phaselearn.losses.sinkhorn.Sinkhorn" in losses
    assert known.at("phaselearn.losses.aligned.Aligned", ("loss",)) == losses
    assert known.at("phaselearn.losses.combined.Combined", ("terms", "*", "loss")) == losses
    assert known.at("pytorch_lightning.Trainer", ("profiler",)) >= {"pytorch_lightning.profilers.SimpleProfiler"}
    assert known.at(WHOLE, ("training_observation",)) == known.at(WHOLE, ("observation",))
    assert not known.at(WHOLE, ("optim", "schedule")) & known.at(WHOLE, ("optim", "optimizer"))
    assert not known.at(WHOLE, ("model",)) & losses
    assert not known.at(WHOLE, ("seed",))
