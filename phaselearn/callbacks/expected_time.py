"""The time that training will take, told while there is still time to change one's mind."""

from __future__ import annotations

import math
import time
from typing import Any

import pytorch_lightning as pl

from phaselearn.progress import announce, clock

_AFTER = 10.0  # seconds of training from which its rate is known
_WORTH_TELLING = 120.0  # seconds


class ExpectedTime(pl.Callback):
    """Prints once, a few seconds after training began, how long it will take; nothing if that is less than two minutes.

    Args:
        after: seconds of training after which the time is estimated.
    """

    def __init__(self, after: float = _AFTER) -> None:
        self.after = after
        self._began, self._first, self._told = math.inf, 0, False

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any) -> None:
        """Print the line when it is time."""
        now = time.monotonic()
        if math.isinf(self._began):  # the first step takes longer than others
            self._began, self._first = now, trainer.global_step
            return
        done = trainer.global_step - self._first
        if self._told or done < 1 or now - self._began < self.after:
            return
        self._told = True
        left = trainer.estimated_stepping_batches - trainer.global_step
        seconds = (now - self._began) / done * left
        if trainer.is_global_zero and _WORTH_TELLING <= seconds < math.inf:
            announce(
                f"{left:,.0f} steps will take about {clock(seconds)}, validations aside; Ctrl-C keeps what was learned"
            )
