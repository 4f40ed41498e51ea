"""Every file of conf/ composes, names classes that exist, and passes the check of the commands."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from phaselearn import precision
from phaselearn.commands.options import config_directory
from phaselearn.commands.plain_config import plain_values
from phaselearn.commands.settings import check
from phaselearn.commands.strangers import Stranger, check_stranger
from phaselearn.errors import UserError
from phaselearn.testing.options import composed, options
from tests.thinned import thinned

GROUPS = sorted(entry.name for entry in config_directory().iterdir() if entry.is_dir())
CHOICES = {group: options(group) for group in GROUPS if group not in ("experiment", "starts")}
FILES = sorted(config_directory().rglob("*.yaml"))
NEEDS = {"source=file": ["source.path=x"], "source=folder": ["source.path=x"]}


def _targets(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"]
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)


def _checked(*overrides: str, name: str = "train") -> DictConfig:
    config = composed(*overrides, name=name)
    check(config, name)
    assert not OmegaConf.missing_keys(config)
    return config


def _covering() -> list[list[str]]:
    """Return sets of choices, one of each group and two of the observations: as few as hold every option."""
    half = (len(CHOICES["observation"]) + 1) // 2
    halves = {"observation": CHOICES["observation"][:half]}
    halves["+observation@training_observation"] = CHOICES["observation"][half:]
    groups = {group: names for group, names in (CHOICES | halves).items() if names}
    rows = range(max(map(len, groups.values())))
    return [[f"{group}={names[row % len(names)]}" for group, names in groups.items()] for row in rows]


COVERING = _covering()


# test_report.py composes those of the report, and others are alike.
EXPERIMENTS = thinned(
    options("experiment"),
    lambda name: not name.startswith(("report_", "unrolled_")) or name in ("report_best", "unrolled_cpu"),
)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_composes(name: str) -> None:
    assert _checked(f"experiment={name}").model._target_


@pytest.mark.parametrize("choices", thinned(COVERING, COVERING[::5].__contains__))
def test_every_option_composes_with_the_training(choices: list[str]) -> None:
    config = _checked(*choices, *(need for choice in choices for need in NEEDS.get(choice, ())))
    assert config.model._target_
    assert config.data.definition._target_


@pytest.mark.parametrize("option", options("starts"))
def test_every_option_of_starts_composes_with_solve(option: str) -> None:
    assert _checked(f"starts={option}", name="solve").starts._target_


@pytest.mark.parametrize("option", thinned(options("observation"), {"ideal", "measured"}.__contains__))
def test_a_run_folder_may_hold_every_observation(option: str) -> None:
    config = _checked(f"observation={option}", f"+observation@training_observation={option}")
    for place in ("observation", "training_observation"):
        check_stranger({place: plain_values(config[place])}, Stranger("a run folder", "trust=true"))


@pytest.mark.parametrize("choice", [f"{group}={name}" for group in ("source", "data") for name in CHOICES[group]])
def test_every_source_and_data_composes_with_prepare(choice: str) -> None:
    _checked(choice, *NEEDS.get(choice, ()), name="prepare")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(config_directory())))
def test_every_class_can_be_imported(path: Path) -> None:
    for target in _targets(yaml.safe_load(path.read_text())):
        assert callable(get_object(target)), target


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(config_directory())))
def test_every_file_says_first_what_it_is(path: Path) -> None:
    assert path.read_text().startswith("# ")


def test_the_seed_reaches_the_data() -> None:
    assert _checked("seed=7").data.seed == 7


def test_the_model_sets_its_batch_and_the_command_line_overrides_it() -> None:
    assert _checked("model=unet3d").data.batch_size == 16
    assert _checked("model=unet3d", "data.batch_size=2").data.batch_size == 2


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="only Linux lists what a processor computes in")
def test_a_precision_left_open_is_what_the_processor_computes_in():
    can = set(Path("/proc/cpuinfo").read_text().split()) & {"avx512_bf16", "amx_bf16", "bf16"}
    assert composed("experiment=study_losses").trainer.precision == ("bf16-mixed" if can else "32-true")
    assert composed("experiment=unrolled_gpu").trainer.precision == "bf16-mixed"


@pytest.mark.parametrize("listed", ["flags : avx avx512f avx512_bf16x\n", None], ids=["Linux", "elsewhere"])
def test_a_processor_that_emulates_bfloat16_computes_in_float32(monkeypatch, tmp_path, listed):
    # One with AVX-512 alone: oneDNN says all the same that it supports bfloat16.
    if listed is not None:
        (tmp_path / "cpuinfo").write_text(listed)
    monkeypatch.setattr(precision, "LINUX", tmp_path / "cpuinfo")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert precision.cpu_precision() == "32-true"


@pytest.mark.skipif(not precision.LINUX.is_file(), reason="only Linux lists what a processor computes in")
def test_linux_and_torch_agree_on_the_processor(monkeypatch, tmp_path):
    listed = precision.cpu_precision()
    monkeypatch.setattr(precision, "LINUX", tmp_path / "cpuinfo")
    assert precision.cpu_precision() == listed


@pytest.mark.parametrize("given", ["highest", "high", "medium"])
def test_every_matmul_precision_of_torch_is_allowed(given: str) -> None:
    assert _checked(f"float32_matmul_precision={given}").float32_matmul_precision == given


def test_an_unknown_matmul_precision_is_told_in_one_line() -> None:
    with pytest.raises(UserError, match=r"^float32_matmul_precision=tf32 is unknown: allowed are highest, high"):
        _checked("float32_matmul_precision=tf32")


def test_a_network_brings_the_loss_that_suits_it_and_the_command_line_or_an_experiment_has_the_last_word() -> None:
    def loss(*choices: str) -> str:
        return composed(*choices).loss._target_.rpartition(".")[2]

    assert loss() == loss("model=mlp") == "MeanSquaredError"
    assert loss("model=cnn") == loss("model=unet3d", "data=hkl20") == "Combined"
    assert loss("model=unrolled") == "ShiftInvariant"
    assert loss("model=cnn", "loss=l1") == loss("loss=l1", "model=cnn") == "MeanAbsoluteError"
    assert loss("experiment=report_unet3d_150") == "MeanSquaredError"
    assert composed("model=unet3d", "data=hkl20").data.input_transform == "patterson"
    assert composed("experiment=report_unet3d_150").data.input_transform == "amplitude"
