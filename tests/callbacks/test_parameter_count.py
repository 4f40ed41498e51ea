"""The line on trainable parameters counts shared ones once and frozen ones apart."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
from torch import nn

from phaselearn.callbacks.parameter_count import ParameterCount


class Tied(pl.LightningModule):
    """Two layers with one weight, and a frozen one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.frozen = (nn.Linear(40, 40) for _ in range(3))
        self.second.weight = self.first.weight
        self.frozen.requires_grad_(False)


def test_shared_parameters_count_once(capsys: pytest.CaptureFixture[str]) -> None:
    ParameterCount().on_fit_start(pl.Trainer(accelerator="cpu", logger=False), Tied())
    trained = 40 * 40 + 40 + 40
    assert capsys.readouterr().out == f"Tied: {trained + 40 * 40 + 40:,} parameters, of which {trained:,} are trained\n"
