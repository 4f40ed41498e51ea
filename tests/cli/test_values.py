"""Values of a wrong type, out of range, or without a meaning: one line, before anything is built or searched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from phaselearn.commands.checks import fits
from phaselearn.commands.key_types import type_of_null
from phaselearn.data.processes import cores
from tests.cli.folders import SMALL
from tests.cli.inside import call
from tests.determination.samples import EXAMPLE

CONF = Path(__file__).parents[2] / "conf"
BY_OTHERS = {"training_observation"}  # a node, which a check of its own looks at
QUICK = (*SMALL[:3], "data=hkl10", "evaluation=none")


def null_keys(node: dict[str, Any], above: str = "") -> Iterator[str]:
    """Yield the keys outside classes whose default is null."""
    if "_target_" in node:
        return
    for key, value in node.items():
        if isinstance(value, dict):
            yield from null_keys(value, f"{above}{key}.")
        elif value is None:
            yield f"{above}{key}"


@pytest.mark.parametrize("command", sorted(path.stem for path in CONF.glob("*.yaml")))
def test_every_key_that_is_null_by_default_has_a_type(command: str) -> None:
    values = yaml.safe_load((CONF / f"{command}.yaml").read_text())
    keys = set(null_keys({key: value for key, value in values.items() if key not in ("defaults", "hydra")}))
    assert not [key for key in keys - BY_OTHERS if type_of_null(key) is Any]
    assert all(fits(None, type_of_null(key)) for key in keys)


@pytest.mark.parametrize(
    ("key", "taken", "refused"),
    [
        ("cell", [[5, 6.5, 7, 90, 90, 90]], [5, "5", ["a", 6], [None, 7, 7, 90, 90, 90], {"a": 5}]),
        ("elements", ["C,H", ["C", "H"]], [5, [None], [False], {"Ag": 2}]),
        ("formula", ["C2H6"], [12, True, ["Ag", "Se"]]),
        ("wavelength", [1, 0.71], ["abc", [1], True]),
        ("ins", ["a.ins"], [5, True, ["a.ins"]]),
        ("reference", ["a.cif"], [5, {}]),
        ("space_group", [14, "P 21/n"], [2.5, True, [14]]),
        ("block", [2, "x"], [True, [1]]),
        ("search.counts", [[1, 4]], [4, ["a"]]),
        ("job", [3], ["x", 1.5]),
    ],
)
def test_a_key_that_is_null_by_default_takes_its_type_alone(key: str, taken: list[Any], refused: list[Any]) -> None:
    kind = type_of_null(key)
    assert all(fits(value, kind) for value in taken)
    assert not [value for value in refused if fits(value, kind)]


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """Run a command that must fail beside a file of reflections, and return its line."""
    monkeypatch.chdir(tmp_path)
    for suffix in (".hkl", ".ins"):
        shutil.copy(EXAMPLE.with_suffix(suffix), tmp_path / f"x{suffix}")

    def run(*words: str) -> str:
        assert call(*words) == 2
        printed = capfd.readouterr()
        assert "Traceback" not in printed.out + printed.err
        [line] = [line for line in printed.err.splitlines() if line.startswith("error: ")]
        return line

    return run


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (".", "a folder; name a file of reflections"),
        ("x.hkl cell=5", "cell=5 is int, list of float or null is needed: see `phaselearn solve --help`"),
        ("x.hkl wavelength=nan", "wavelength=nan, a number is needed"),
        ("x.hkl elements={Ag:2}", "elements={'Ag': 2} is dict, list of str or str or null is needed"),
        ("x.hkl elements=[Og]", "'Og' is not an element that is known to scatter"),
        ("x.hkl space_group=0", "space_group=0 is not a space group"),
        ("x.hkl block=foo", "leave block=foo out"),
        ("x.hkl run=", "run=: no path is given: name one, or leave run= out"),
        ("file=5", "file=5 is int"),
    ],
)
def test_what_cannot_be_solved(failing: Any, words: str, told: str) -> None:
    assert told in failing("solve", *words.split(" "))
    assert not list(Path("outputs").glob("*"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("run=", "run=: no path is given"),
        ("resume=", "resume=: no path is given"),
        ("callbacks=[]", "callbacks=[] chooses nothing: allowed are default, early_stopping"),
        ("~callbacks", "'callbacks' was taken out of the configuration, but the command needs it"),
        ("loss._target_=5", "give a class by the name of its module, too, e.g. my_package.Mine"),
        ("evaluation.crystals=0", "evaluation.crystals=0: a whole number of at least 1 is needed"),
        ("trainer.max_time=5", "trainer.max_time=5 is int"),
        ("trainer.max_time=[1]", "trainer.max_time=[1] is list"),
        ("trainer.gradient_clip_val=nan", "trainer.gradient_clip_val=nan, a number is needed"),
        ("trainer.gradient_clip_val=-1", "at least 0 is needed"),
        ("trainer.limit_train_batches=0", "a share of at most 1.0 or a whole number of at least 1 is needed"),
        ("trainer.limit_train_batches=1.5", "a share of at most 1.0"),
        ("trainer.limit_train_batches=0.0001 trainer.max_epochs=1", "Try at least `limit_train_batches="),
        ("optim.schedule=foo", "optim.schedule=foo: a function"),
        ("optim.schedule=5", "optim.schedule=5: a function"),
        ("trainer.devices=0", "trainer.devices=0: on a processor"),
        ("trainer.devices=[0,1]", "trainer.devices=[0, 1]: on a processor"),
        ("-m seed=1 run=a,b", "run=a,b: one folder holds those of all jobs"),
    ],
)
def test_what_cannot_be_trained(failing: Any, words: str, told: str) -> None:
    assert told in failing("train", *QUICK, *words.split(" "))


@pytest.mark.parametrize("accelerator", ["cpu", "auto"])
def test_more_processes_than_cores_are_not_started(
    failing: Any, monkeypatch: pytest.MonkeyPatch, accelerator: str
) -> None:
    monkeypatch.setattr("phaselearn.commands.processes._has_gpu", lambda: False)
    most = cores()
    line = failing("train", *QUICK, f"trainer.devices={most + 1}", f"trainer.accelerator={accelerator}")
    assert f"trainer.devices={most + 1}: on a processor" in line
    assert f"from 1 to {most}, one for each core" in line


def test_an_unknown_method_of_a_benchmark_is_helped_by_the_benchmark(failing: Any) -> None:
    assert "`phaselearn benchmark models=[phase_zero]`" in failing("benchmark", "models=[phase_zer]")
