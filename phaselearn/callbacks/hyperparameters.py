"""The settings of a run, as plain values in its checkpoints: a checkpoint alone is enough to build its network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl

KEY = pl.LightningModule.CHECKPOINT_HYPER_PARAMS_KEY
# What a network is built and read with. The rest says where a run found its crystals and what it wrote.
_KEPT = ("seed", "data", "observation", "model", "loss", "optim", "trainer")


class Hyperparameters(pl.Callback):
    """Writes settings into every checkpoint, under Lightning's own key.

    Args:
        config: the configuration of the run, of plain values. The place of its store is left out.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.kept = {key: config[key] for key in _KEPT if key in config}
        self.kept["data"] = {**self.kept["data"], "store": None}

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the settings to a checkpoint."""
        checkpoint[KEY] = self.kept
