"""The metric by which a run is judged: it is followed from validation to validation, and hopeless runs are stopped."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl

from phaselearn.errors import UserError, closest
from phaselearn.metrics.default import METRIC

# {metric: the same metric of the map with all phases zero}; the metrics of subsets begin with these names.
_FLOORS = {"val/median_cc": "val/floor", "val/solved": "val/floor_solved"}


class Objective(pl.Callback):
    """Keeps the best value of a metric, even when the run is resumed.

    Args:
        metric: name of a metric of the validation, such as `val/median_cc`.
        direction: `max` or `min`.
        hopeless: called in one process after each validation with the metric's value and the epoch (from 0). Training
            ends if it returns True; None never ends training.

    Raises:
        UserError: the validation logs no such metric.

    Attributes:
        best: best value so far; None before the first finite one.
        epoch: epoch of the best value, from 0.
        floor: value of the metric for maps with all phases zero, in the same validation; None for a metric without
            floor.
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
        """Read the metric, and end training if the run is hopeless."""
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
        if METRIC not in trainer.callback_metrics:
            raise UserError(
                "none of the validation crystals can be judged, since fewer than 20 unique reflections of each are "
                "observed: see `phaselearn train --cfg job -p observation`"
            )
        known = sorted(name for name in trainer.callback_metrics if name.startswith("val/"))
        best = closest(self.metric, known)
        raise UserError(
            f"optimize={self.metric} is not a metric of the validation, which logs {', '.join(known)}"
            + (f"; did you mean {best}?" if best else "")
            + f" For example `phaselearn train optimize={best or METRIC}`"
        )

    def _floor(self, trainer: pl.Trainer) -> float | None:
        for metric, floor in _FLOORS.items():
            name = floor + self.metric.removeprefix(metric)
            if self.metric.startswith(metric) and name in trainer.callback_metrics:
                return float(trainer.callback_metrics[name])
        return None

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, its epoch and its floor, for a checkpoint."""
        return {"best": self.best, "epoch": self.epoch, "floor": self.floor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the best value from a checkpoint."""
        self.best, self.epoch, self.floor = (state.get(name) for name in ("best", "epoch", "floor"))
