"""The metric that a run is judged by: followed over its validations, and a run without hope is stopped."""

from __future__ import annotations

import math
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import pytorch_lightning as pl

from phaselearn.errors import UserError

# What runs are compared by that were judged by different metrics, or that are older than the choice.
METRIC, DIRECTION = "val/median_cc", "max"
# What the map with all phases zero reaches: metrics of the validation, and of its subsets.
_FLOORS = {"val/median_cc": "val/floor", "val/solved": "val/floor_solved"}


class Objective(pl.Callback):
    """Keeps the best value of a metric, over resumed runs too.

    Args:
        metric: name in the validation, such as `val/median_cc`.
        direction: `max` or `min`.
        hopeless: called after each validation with its value and the epoch (from 0), by one process; True ends the
            training. None: it is never given up.

    Raises:
        UserError: while training, the validation logs no such metric.

    Attributes:
        best: the best value so far; None before the first that is a number.
        epoch: of the best value, from 0.
        floor: of the same validation, the metric of maps with all phases zero; None where the metric has no floor.
    """

    def __init__(
        self,
        metric: str,
        direction: str,
        hopeless: Callable[[float, int], bool] | None,
    ) -> None:
        self.metric = metric
        self.best: float | None = None
        self.epoch: int | None = None
        self.floor: float | None = None
        self._better = {"max": max, "min": min}[direction]
        self._hopeless = hopeless

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Read the metric."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        value = self._value(trainer)
        if math.isfinite(value) and (self.best is None or self._better(value, self.best) != self.best):
            self.best, self.epoch, self.floor = value, trainer.current_epoch, self._floor(trainer)
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

    def _floor(self, trainer: pl.Trainer) -> float | None:
        for metric, floor in _FLOORS.items():
            name = floor + self.metric.removeprefix(metric)
            if self.metric.startswith(metric) and name in trainer.callback_metrics:
                return float(trainer.callback_metrics[name])
        return None

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to know."""
        return {"best": self.best, "epoch": self.epoch, "floor": self.floor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from an earlier run's validations."""
        self.best, self.epoch, self.floor = (state.get(name) for name in ("best", "epoch", "floor"))
