"""Sweeps for W&B's agent: every value that it may give composes, and trains what the parameters say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from phaselearn.commands.settings import check
from phaselearn.testing.options import composed, options
from tests.thinned import thinned

REPO = Path(__file__).resolve().parents[2]
SWEEPS = sorted((REPO / "sweeps").glob("*.yaml"))


def _values(parameter: dict[str, Any]) -> list[Any]:
    """Return the values of a parameter, of a range its ends."""
    return parameter["values"] if "values" in parameter else [parameter["min"], parameter["max"]]


def _commands(sweep: dict[str, Any]) -> list[tuple[list[str], dict[str, Any]]]:
    """Return the arguments of train.py as the agent writes them, with the parameters: every value of each, in turn."""
    python, program, *arguments = sweep["command"]
    assert (python, program) == ("python", sweep["program"])
    parameters = {name: _values(parameter) for name, parameter in sweep["parameters"].items()}
    found = []
    for row in range(max(map(len, parameters.values()))):
        chosen = {name: values[row % len(values)] for name, values in parameters.items()}
        own = [f"{name}={value}" for name, value in chosen.items()]
        found.append(([part for given in arguments for part in (own if given.startswith("$") else [given])], chosen))
    return found


@pytest.mark.parametrize("path", thinned(SWEEPS, lambda path: path.stem == "learning_rate"), ids=lambda path: path.stem)
def test_every_value_composes(path: Path) -> None:
    sweep = yaml.safe_load(path.read_text())
    assert sweep["method"] in ("grid", "random", "bayes")
    assert "${args_no_hyphens}" in sweep["command"]
    assert sweep["metric"] == {"name": "val/median_cc", "goal": "maximize"}
    for arguments, chosen in _commands(sweep):
        config = composed(*arguments)
        check(config, "train")
        assert config.logger.wandb.project == sweep["project"]
        for name, value in chosen.items():
            if "." in name:
                assert OmegaConf.select(config, name) == value
            else:
                assert value in options(name)


def test_the_sweep_of_losses_has_them_all() -> None:
    sweep = yaml.safe_load((REPO / "sweeps" / "losses.yaml").read_text())
    assert sorted(sweep["parameters"]["loss"]["values"]) == options("loss")
