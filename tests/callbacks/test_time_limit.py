"""`trainer.max_time` counts from each start, and a run that it stops within an epoch goes on with the next batch."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from phaselearn.callbacks.last_checkpoint import LastCheckpoint
from phaselearn.callbacks.time_limit import TimeLimit
from phaselearn.data.store.pair_store import PairStore
from phaselearn.errors import UserError
from phaselearn.losses.mse import MeanSquaredError
from tests.conftest import OCTANT
from tests.data.loading.test_resume import Perceptron, Rows
from tests.data.test_datamodule import datamodule


class Limit(TimeLimit):
    """A time limit that is reached after a given number of batches of this start."""

    def __init__(self, batches: int, rows: Rows) -> None:
        super().__init__("00:00:10:00")
        self.batches, self.rows = batches, rows

    def time_elapsed(self, stage: str = "train") -> float:
        return 601.0 if len(self.rows.seen) >= self.batches else 0.0


def start(folder: Path, store: PairStore, batches: int, **options: Any) -> tuple[dict[str, torch.Tensor], list[Any]]:
    """Train until the limit, going on where there is a checkpoint; return the weights and the batches of this start."""
    torch.manual_seed(0)
    model = Perceptron([8], False, loss=MeanSquaredError(), definition=OCTANT, optimizer=torch.optim.Adam)
    rows = Rows()
    last = folder / "last.ckpt"
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=3,
        callbacks=[rows, Limit(batches, rows), LastCheckpoint(dirpath=str(folder))],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        **options,
    )
    trainer.fit(model, datamodule=datamodule(store), ckpt_path=last if last.exists() else None, weights_only=True)
    return model.state_dict(), rows.seen


def test_each_start_has_the_whole_time_and_ends_as_one_that_never_stopped(
    tiny_store: PairStore, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole, seen = start(tmp_path / "whole", tiny_store, batches=1000)
    assert "max_time" not in capfd.readouterr().err
    batches = []
    weights = None
    for _ in range(len(seen) // 5 + 1):  # within epochs and at their ends
        weights, here = start(tmp_path / "limited", tiny_store, batches=5)
        batches += here
    assert batches == seen
    assert all(torch.equal(weights[name], whole[name]) for name in whole)
    assert capfd.readouterr().err.count("trainer.max_time is over") == len(seen) // 5


@pytest.mark.slow
def test_gradients_that_are_summed_are_not_lost(tiny_store: PairStore, tmp_path: Path) -> None:
    whole, seen = start(tmp_path / "whole", tiny_store, batches=1000, accumulate_grad_batches=2)
    _, first = start(tmp_path / "limited", tiny_store, batches=3, accumulate_grad_batches=2)
    assert len(first) == 4
    weights, rest = start(tmp_path / "limited", tiny_store, batches=1000, accumulate_grad_batches=2)
    assert first + rest == seen
    assert all(torch.equal(weights[name], whole[name]) for name in whole)


@pytest.mark.parametrize("given", ["10min", "1:2:3:4", {"parsecs": 1}])
def test_a_time_that_is_none_is_refused(given: Any) -> None:
    with pytest.raises(UserError, match=r"DD:HH:MM:SS.*trainer\.max_time=00:00:10:00"):
        TimeLimit(given)


def test_times_in_every_form_are_taken() -> None:
    for given in ("00:01:00:00", {"hours": 1}, timedelta(hours=1)):
        assert TimeLimit(given).time_remaining() == 3600
