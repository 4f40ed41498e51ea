"""The reproductions of the 2021 report: their training sets are nested, and one command runs them all."""

from __future__ import annotations

import re

import pytest
from omegaconf import OmegaConf

from phaselearn.commands.options import config_directory
from phaselearn.commands.session import build_data
from phaselearn.data.store.pair_store import PairStore
from phaselearn.testing.options import composed, options

TRAININGS = [name for name in options("experiment") if re.fullmatch(r"report_(mlp\d+|unet3d)_(56|150|12000)", name)]


def test_there_are_six() -> None:
    assert len(TRAININGS) == 6


@pytest.mark.slow
def test_every_training_chooses_from_the_same_crystals() -> None:
    configs = [composed(f"experiment={name}") for name in TRAININGS]
    first = configs[0]
    for config in configs[1:]:
        for key in ("source", "seed", "observation", "loss", "optim"):
            assert config[key] == first[key]
        assert (config.data.seed, config.data.build.longest_edge) == (first.data.seed, first.data.build.longest_edge)
    for name, config in zip(TRAININGS, configs, strict=True):
        assert name.endswith(f"_{config.data.train_size}")
        assert (config.data.definition.layout, config.data.definition.sampling) == ("octant", "point")


def test_the_smaller_training_sets_lie_within_the_larger(tiny_store: PairStore) -> None:
    chosen = {}
    for name in ("report_unet3d_56", "report_unet3d_150", "report_mlp10_150"):
        data = build_data(composed(f"experiment={name}", "data=hkl10", f"data.store={tiny_store.path}"))
        chosen[name] = set(data.rows("train").tolist())
    assert len(chosen["report_unet3d_56"]) == 56
    assert chosen["report_unet3d_56"] < chosen["report_unet3d_150"]
    assert chosen["report_unet3d_150"] == chosen["report_mlp10_150"]


def test_one_command_runs_them_all() -> None:
    config = OmegaConf.load(config_directory() / "experiment" / "report_all.yaml")
    [(key, swept)] = config.hydra.sweeper.params.items()
    assert sorted(swept.split(",")) == TRAININGS
    for name in (TRAININGS[0], TRAININGS[-1]):
        assert composed("experiment=report_all", f"{key}={name}") == composed(f"experiment={name}")


@pytest.mark.parametrize("name", ["report_unet3d_all"])
def test_what_is_for_a_gpu_says_that_it_was_not_run(name: str) -> None:
    assert composed(f"experiment={name}").trainer.accelerator == "cuda"
    assert "not yet run" in (config_directory() / "experiment" / f"{name}.yaml").read_text()
