"""Training progress in lines, for places where no terminal shows a bar, such as the log of a cluster job."""

from __future__ import annotations

import math
import time
from typing import Any

import pytorch_lightning as pl

from phaselearn.progress import announce, is_watched


class ProgressLines(pl.Callback):
    """Prints a line after the first validation, and after later steps and validations when enough time has passed.

    Args:
        metric: name of the metric that the line shows.
        seconds: least time between two lines.
    """

    def __init__(self, metric: str, seconds: float) -> None:
        self.metric = metric
        self.seconds = seconds
        self._start = 0.0
        self._told = -math.inf

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._start = time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Print the line within an epoch, too, once training has gone on for long enough."""
        if time.monotonic() - max(self._start, self._told) >= self.seconds:
            self._tell(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the line if enough time has passed."""
        if trainer.state.fn == "fit" and time.monotonic() - self._told >= self.seconds:
            self._tell(trainer)

    def _tell(self, trainer: pl.Trainer) -> None:
        if is_watched() or not trainer.is_global_zero:
            return
        now = self._told = time.monotonic()
        of = f" of {trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
        value = trainer.callback_metrics.get(self.metric)
        shown = "" if value is None else f", {self.metric} {float(value):.3f}"
        announce(f"epoch {trainer.current_epoch + 1}{of}, step {trainer.global_step}{shown}, {now - self._start:.0f} s")
