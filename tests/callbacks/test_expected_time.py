"""The time that training will take is told once, from the rate of its first steps."""

from __future__ import annotations

from itertools import count

import pytest
import pytorch_lightning as pl
import torch

from phaselearn.callbacks import expected_time
from phaselearn.callbacks.expected_time import ExpectedTime
from phaselearn.data.store.pair_store import PairStore
from phaselearn.losses.mse import MeanSquaredError
from tests.conftest import OCTANT
from tests.data.loading.test_resume import Perceptron
from tests.data.test_datamodule import datamodule


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        (50, "46 steps will take about 3:04 min, validations aside"),  # (50 − 4) · 4 s
        (30, ""),  # 104 s
    ],
)
def test_steps_of_four_seconds_are_counted(
    tiny_store: PairStore,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    steps: int,
    told: str,
) -> None:
    seconds = count(0, 4)
    monkeypatch.setattr(expected_time.time, "monotonic", lambda: next(seconds))
    callback = ExpectedTime(after=10)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=steps,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
    )
    model = Perceptron([8], False, loss=MeanSquaredError(), definition=OCTANT, optimizer=torch.optim.Adam)
    trainer.fit(model, datamodule=datamodule(tiny_store))
    printed = [line for line in capfd.readouterr().err.splitlines() if "will take" in line]
    assert len(printed) == bool(told)
    assert told in "".join(printed)
