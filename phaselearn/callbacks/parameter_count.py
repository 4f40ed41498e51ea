"""The number of parameters, in one line; Lightning's own summary fills a screen with layers."""

from __future__ import annotations

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelSummary
from pytorch_lightning.utilities.model_summary import summarize
from pytorch_lightning.utilities.rank_zero import rank_zero_only


class ParameterCount(ModelSummary):
    """Prints the model's name and its number of parameters; shared ones count once.

    `callbacks.summary._target_=pytorch_lightning.callbacks.RichModelSummary` prints a line for every layer instead.
    """

    @rank_zero_only
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the line."""
        summary = summarize(pl_module, max_depth=0)
        total, trained = summary.total_parameters, summary.trainable_parameters
        part = "" if total == trained else f", of which {trained:,} are trained"
        print(f"{type(pl_module).__name__}: {total:,} parameters{part}")
