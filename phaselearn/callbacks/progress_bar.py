"""The progress bar, on one line of a terminal of 80 columns."""

from __future__ import annotations

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar


class OneMetricBar(RichProgressBar):
    """Lightning's bar with one metric beside it, where it would show all and wrap.

    Args:
        metric: its name in the validation.
        options: of `RichProgressBar`.
    """

    def __init__(self, metric: str, **options: object) -> None:
        super().__init__(**options)
        self._metric = metric

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, int | str | float]:
        """Return what stands beside the bar."""
        metrics = super().get_metrics(trainer, pl_module)
        name = self._metric.rpartition("/")[2]  # a longer one would wrap
        return {name: metrics[self._metric]} if self._metric in metrics else {}
