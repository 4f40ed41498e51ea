"""Stop a training after so much processor time: runs are then alike whatever else the machine does beside them."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl


class ProcessorTime(pl.Callback):
    """Ends the training when its steps have taken so many seconds of this process; validation does not count.

    `trainer.max_time` counts the clock on the wall instead, other programs' share of the processor included.

    Args:
        seconds: of processor time, summed over this process's threads; kept when a run is resumed.
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
        """Leave out what passed since the last step."""
        self._since = time.process_time()

    def state_dict(self) -> dict[str, float]:
        """Return what a resumed run needs to know."""
        return {"used": self.used}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from an earlier run's time."""
        self.used = state["used"]
