"""Warnings about choices that do not suit each other; none about the choices that are shipped."""

from __future__ import annotations

import pytest

from phaselearn.commands.advice import advice
from phaselearn.commands.options import options_of
from phaselearn.commands.session import build_model
from phaselearn.testing.options import composed
from tests.cli.inside import call
from tests.thinned import thinned


def told(*choices: str) -> list[str]:
    from hydra.utils import instantiate

    config = composed(*choices)
    return list(advice(config, build_model(config, instantiate(config.data.definition))))


UNROLLED = [name for name in options_of("experiment") if name.startswith("unrolled")]


@pytest.mark.parametrize("experiment", thinned(UNROLLED, "unrolled_cpu".__eq__))
def test_the_experiments_of_the_unrolled_network_suit_it(experiment: str) -> None:
    assert told(f"experiment={experiment}", "trainer=cpu") == []


@pytest.mark.parametrize(
    "choices",
    [(), ("model=cnn", "data=hkl10"), ("model=unet3d_small", "data=hkl20"), ("model=unrolled",), ("loss=aligned",)],
)
def test_plain_choices_suit_each_other(choices: tuple[str, ...]) -> None:
    assert told(*choices) == []


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        (("model=unrolled", "loss=mse"), ["the inversion", "the origin"]),
        (("model=unrolled", "data.batching=random"), ["data.batching=cell, and learns less with"]),
        (("model=cnn", "data.input_transform=raw"), ["data.input_transform=patterson, and learns less with"]),
        (("data.augmentation.origin=true",), ["data.augmentation.origin=true changes the origin of the target alone"]),
        (("data.augmentation.origin=true", "loss=aligned"), []),
    ],
)
def test_each_choice_that_does_not_suit_is_told(choices: tuple[str, ...], expected: list[str]) -> None:
    lines = told(*choices)
    assert len(lines) == len(expected)
    for line, part in zip(lines, expected, strict=True):
        assert part in line


def test_a_run_begins_with_the_warning(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small = ("source.count=60", "trainer.max_epochs=1", "model.width=1", "model.blocks=0", "data.input_transform=raw")
    assert call("train", "model=cnn", "data=hkl10", *small, "evaluation=none", "run=run") == 0
    assert "warning: PeriodicConvolutions is made for data.input_transform=patterson" in capsys.readouterr().err
