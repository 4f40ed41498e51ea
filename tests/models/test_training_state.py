"""The state in benchmarks/unrolled64, from which users train on, is of this version and of no machine."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from omegaconf import OmegaConf

from phaselearn import load_model
from phaselearn.commands.plain_config import plain_values
from phaselearn.models.unrolled import Unrolled

STATE = Path(__file__).parents[2] / "benchmarks" / "unrolled64"


def test_it_holds_the_weights_the_optimiser_and_the_configuration_of_its_network() -> None:
    model = load_model(STATE / "last.ckpt")
    assert isinstance(model, Unrolled)
    assert sum(parameter.numel() for parameter in model.parameters()) == 182_562
    saved = torch.load(STATE / "last.ckpt", map_location="cpu", weights_only=True)
    [optimiser] = saved["optimizer_states"]
    assert len(optimiser["state"]) == len(list(model.parameters()))
    config = plain_values(OmegaConf.load(STATE / "config.yaml"))
    assert config["model"] == saved["hyper_parameters"]["model"]


def test_it_names_no_folder_of_the_machine_that_trained_it() -> None:
    for path in STATE.iterdir():
        assert not re.search(rb"/(tmp|work|home|root|Users)/", path.read_bytes()), path.name
