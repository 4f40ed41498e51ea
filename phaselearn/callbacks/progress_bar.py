"""The progress bar, on one line of a terminal of 80 columns."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar


class OneMetricBar(RichProgressBar):
    """Lightning's progress bar with one metric beside it; all metrics would not fit on the line.

    Args:
        metric: name of a metric of the validation.
        options: the arguments of `RichProgressBar`.
    """

    def __init__(self, metric: str, **options: Any) -> None:
        super().__init__(**options)
        self._metric = metric

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Return the metric that is shown beside the bar."""
        metrics = super().get_metrics(trainer, pl_module)
        name = self._metric.rpartition("/")[2]  # the whole name would not fit
        return {name: metrics[self._metric]} if self._metric in metrics else {}
