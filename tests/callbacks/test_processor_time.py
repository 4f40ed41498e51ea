"""Training for a given processor time."""

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from phaselearn.callbacks import processor_time
from phaselearn.callbacks.processor_time import ProcessorTime


class Slow(pl.LightningModule):
    """Steps and validations that take the time of a clock set by hand."""

    def __init__(self, clock, step, validation):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.clock, self.step, self.validation = clock, step, validation

    def training_step(self, batch, batch_index):
        self.clock[0] += self.step
        return self.layer(batch).mean()

    def validation_step(self, batch, batch_index):
        self.clock[0] += self.validation

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(processor_time.time, "process_time", lambda: now[0])
    return now


def steps(clock, callback, validation=0.0):
    """Return how many steps are made."""
    loader = DataLoader(torch.ones(4, 1))
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1000,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(Slow(clock, 1.0, validation), loader, loader)
    return trainer.global_step


def test_ends_when_the_steps_have_used_the_time(clock):
    assert steps(clock, ProcessorTime(10.0)) == 10


def test_validation_does_not_count(clock):
    assert steps(clock, ProcessorTime(10.0), validation=50.0) == 10


def test_a_resumed_run_has_what_is_left(clock):
    earlier = ProcessorTime(10.0)
    earlier.used = 7.0
    resumed = ProcessorTime(10.0)
    resumed.load_state_dict(earlier.state_dict())
    assert steps(clock, resumed) == 3
