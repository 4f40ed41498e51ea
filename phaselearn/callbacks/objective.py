"""The metric that a run is judged by: followed over its validations, and a run without hope is stopped."""

from __future__ import annotations

import math
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import pytorch_lightning as pl

from phaselearn.errors import UserError

# Of runs whose configuration is older than the choice.
METRIC, DIRECTION = "val/median_cc", "max"


class Objective(pl.Callback):
    """Keeps the best value of a metric, over resumed runs too.

    Args:
        metric: name in the validation, such as `val/median_cc`.
        direction: `max` or `min`.
        hopeless: called after each validation with its value and the epoch (from 0), by one process; True ends the
            training.

    Raises:
        UserError: while training, the validation logs no such metric.

    Attributes:
        best: the best value so far; None before the first that is a number.
    """

    def __init__(
        self,
        metric: str = METRIC,
        direction: str = DIRECTION,
        hopeless: Callable[[float, int], bool] | None = None,
    ) -> None:
        self.metric = metric
        self.best: float | None = None
        self._better = {"max": max, "min": min}[direction]
        self._hopeless = hopeless

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Read the metric."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        value = self._value(trainer)
        if math.isfinite(value):
            self.best = value if self.best is None else self._better(value, self.best)
        hopeless = self._hopeless is not None and self._hopeless(value, trainer.current_epoch)
        # All processes stop together.
        if trainer.strategy.broadcast(hopeless):
            trainer.should_stop = True

    def _value(self, trainer: pl.Trainer) -> float:
        if self.metric in trainer.callback_metrics:
            return float(trainer.callback_metrics[self.metric])
        known = sorted(name for name in trainer.callback_metrics if name.startswith("val/"))
        best = next(iter(get_close_matches(self.metric, known, n=1)), None)
        raise UserError(
            f"optimize={self.metric} is no metric of the validation: it logs {', '.join(known)}"
            + (f"; did you mean {best}?" if best else "")
            + f" For example `python train.py optimize={best or METRIC}`"
        )

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to know."""
        return {"best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from an earlier run's validations."""
        self.best = state["best"]
