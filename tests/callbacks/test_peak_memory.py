"""The peak of resident memory, as a process sees its own."""

import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from phaselearn.callbacks.peak_memory import PeakMemory, peak_memory
from tests.cli.folders import command

ALLOCATING = """
import numpy
from phaselearn.callbacks.peak_memory import peak_memory
before = peak_memory()
numpy.ones(200 * 2**20, dtype=numpy.uint8)  # freed at once: a peak remains
print(peak_memory() - before)
"""


def test_the_peak_is_what_was_held_at_most(tmp_path: Path):
    done = command(tmp_path, sys.executable, "-c", ALLOCATING)
    assert float(done.stdout) == pytest.approx(200, abs=10)


class Model(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_index):
        return self.layer(batch).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_the_peak_of_a_training_is_logged():
    before = peak_memory()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        callbacks=[PeakMemory()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Model(), DataLoader(torch.ones(4, 1)))
    assert before <= trainer.callback_metrics["train/peak_memory"].item() <= peak_memory()
