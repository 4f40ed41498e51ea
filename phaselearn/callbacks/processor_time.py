"""A limit on the processor time of training, so that runs are comparable even if other programs run beside them."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl


class ProcessorTime(pl.Callback):
    """Ends training when its steps have used up the processor time; validations do not count.

    `trainer.max_time` limits the wall time instead, which includes the time that other programs take.

    Args:
        seconds: limit on the processor time in seconds, summed over the threads of this process. A resumed run
            continues to count.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.used = 0.0
        self._since = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._since = time.process_time()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Read the clock, and stop when the time is used up."""
        now = time.process_time()
        self.used += now - self._since
        self._since = now
        if self.used >= self.seconds:
            trainer.should_stop = True

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restart the clock, since validation does not count."""
        self._since = time.process_time()

    def state_dict(self) -> dict[str, float]:
        """Return the time used, for a checkpoint."""
        return {"used": self.used}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Restore the time used from a checkpoint."""
        self.used = state["used"]
