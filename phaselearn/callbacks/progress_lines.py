"""Training progress in lines, for places where no terminal shows a bar, such as the log of a cluster job."""

from __future__ import annotations

import math
import time

import pytorch_lightning as pl

from phaselearn.progress import announce, is_watched


class ProgressLines(pl.Callback):
    """Prints a line after the first validation, and after later ones when enough time has passed.

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

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the line if enough time has passed."""
        now = time.monotonic()
        if is_watched() or trainer.state.fn != "fit" or not trainer.is_global_zero or now - self._told < self.seconds:
            return
        self._told = now
        of = f" of {trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
        value = trainer.callback_metrics.get(self.metric)
        shown = "" if value is None else f", {self.metric} {float(value):.3f}"
        announce(f"epoch {trainer.current_epoch + 1}{of}, step {trainer.global_step}{shown}, {now - self._start:.0f} s")
