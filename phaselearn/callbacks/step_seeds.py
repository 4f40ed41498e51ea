"""Random numbers of a training step that depend on its place alone, so that a resumed run draws the same ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch


class StepSeeds(pl.Callback):
    """Seeds the generator of torch before each batch of training, in each process differently.

    A checkpoint does not hold its state: without this, a network with dropout would draw other masks after a stop.

    Args:
        seed: seed of the run.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed it by the number of the step, and by that of the batch: several may be accumulated in one step."""
        place = (self._seed, trainer.global_rank, trainer.global_step, batch_idx)
        high, low = np.random.SeedSequence(place).generate_state(2).tolist()
        torch.manual_seed(high << 32 | low)
