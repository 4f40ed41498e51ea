"""`trainer.max_time`: how long training continues after each start."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Timer
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from phaselearn.errors import UserError
from phaselearn.progress import announce


class TimeLimit(Timer):
    """Stops training a certain time after this start, and says so.

    Lightning's own timer also counts the time of earlier starts, so a run that has used it up could never continue.

    Args:
        max_time: `DD:HH:MM:SS`, a `timedelta`, or `{hours: 1, …}`.

    Raises:
        UserError: max_time is none of these.
    """

    def __init__(self, max_time: str | timedelta | dict[str, int]) -> None:
        try:
            super().__init__(duration=max_time, verbose=False)
        except (MisconfigurationException, TypeError) as error:
            raise UserError(
                f"trainer.max_time={max_time}: days, hours, minutes and seconds are needed, DD:HH:MM:SS, e.g. "
                "trainer.max_time=00:00:10:00"
            ) from error

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop after a whole step, not between two batches of an accumulated step."""
        if trainer.is_last_batch or (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: a resumed run has the full time again."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Ignore the time of an earlier start."""

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say that the time is over."""
        super().on_train_end(trainer, pl_module)
        remaining = self.time_remaining()
        if trainer.should_stop and remaining is not None and remaining <= 0 and trainer.is_global_zero:
            announce(f"trainer.max_time is over at step {trainer.global_step}: resume= continues for as long again")
