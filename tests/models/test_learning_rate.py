"""The learning rate follows the share of the training that is done, in a run that is resumed with more epochs, too."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from phaselearn.losses.mse import MeanSquaredError
from phaselearn.models.learning_rate import cosine
from phaselearn.models.mlp import MultilayerPerceptron
from tests.conftest import OCTANT
from tests.data.test_datamodule import datamodule

RATE = 0.01


class Rates(pl.Callback):
    """Notes the rate of the last step of each epoch."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        self.steps: list[float] = []

    def on_train_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
        self.steps.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seen.append(self.steps[-1])


def rates(
    folder: Path,
    store: Path,
    resume: bool = False,
    rate: float = RATE,
    schedule: Callable[[float], float] | None = cosine,
    **limits: int,
) -> Rates:
    """Train and return the rates."""
    noted = Rates()
    trainer = pl.Trainer(
        accelerator="cpu",
        callbacks=[noted],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        **limits,  # type: ignore[arg-type]
    )
    model = MultilayerPerceptron(
        [8],
        False,
        definition=OCTANT,
        loss=MeanSquaredError(),
        optimizer=lambda groups: torch.optim.Adam(groups, lr=rate),
        schedule=schedule,
    )
    file = folder / "last.ckpt"
    trainer.fit(model, datamodule=datamodule(store), ckpt_path=file if resume else None, weights_only=True)
    trainer.save_checkpoint(file)
    return noted


def curve(epochs: int) -> list[float]:
    return [RATE * (1 + math.cos(math.pi * epoch / epochs)) / 2 for epoch in range(epochs)]


def test_a_cosine_falls_over_the_epochs_and_more_epochs_make_it_longer(tiny_store: Path, tmp_path: Path) -> None:
    assert rates(tmp_path, tiny_store, max_epochs=3).seen == pytest.approx(curve(3))
    assert rates(tmp_path, tiny_store, resume=True, max_epochs=6).seen == pytest.approx(curve(6)[3:])


def test_a_resumed_run_takes_another_rate_and_schedule(tiny_store: Path, tmp_path: Path) -> None:
    rates(tmp_path, tiny_store, max_epochs=3)
    lower = rates(tmp_path, tiny_store, resume=True, rate=RATE / 10, max_epochs=6)
    assert lower.seen == pytest.approx([rate / 10 for rate in curve(6)[3:]])
    assert max(lower.steps) <= RATE / 10
    constant = rates(tmp_path, tiny_store, resume=True, rate=RATE / 2, schedule=None, max_epochs=8)
    assert constant.seen == pytest.approx([RATE / 2] * 2)
    again = rates(tmp_path, tiny_store, resume=True, max_epochs=10)
    assert again.seen == pytest.approx(curve(10)[8:])


def test_steps_count_where_they_end_a_training_sooner(tiny_store: Path, tmp_path: Path) -> None:
    for epochs in (-1, 1000):
        noted = rates(tmp_path, tiny_store, max_epochs=epochs, max_steps=8)
        assert noted.steps == pytest.approx(curve(8))
