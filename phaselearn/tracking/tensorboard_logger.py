"""The TensorBoard files of a run folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.image import imread
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from phaselearn.report.content import ShownCrystal
from phaselearn.report.figures import crystal_picture
from phaselearn.report.results import ResultRow
from phaselearn.report.terminal import results_markdown
from phaselearn.tracking.packages import require
from phaselearn.tracking.tracker import StoreFacts, Tracker
from phaselearn.tracking.wandb_logger import summary_values

OLDEST_TENSORBOARD = "2.16"


class RunFolderTensorBoardLogger(TensorBoardLogger, Tracker):
    """Lightning's TensorBoardLogger with its files in `save_dir`/tensorboard.

    A resumed run adds a file. Steps of earlier files are hidden if they are computed again.

    Args:
        save_dir: the run folder.

    Raises:
        UserError: tensorboard is not installed or too old.
    """

    shows_crystals = True

    def __init__(self, save_dir: str) -> None:
        require("tensorboard", OLDEST_TENSORBOARD, "logger=tensorboard")
        super().__init__(save_dir, name="tensorboard", version="", default_hp_metric=False)

    @rank_zero_only
    def rewind(self, epoch: int, step: int) -> None:
        """Hide the values that were logged from a step on."""
        self._kwargs["purge_step"] = step

    @rank_zero_only
    def log_run(self, config: Mapping[str, Any], store: StoreFacts) -> None:
        """Show the configuration and the store as text."""
        self.log_hyperparams(dict(config))
        for name, what in (("config", config), ("store", store.summary)):
            self.experiment.add_text(name, f"```json\n{json.dumps(what, indent=1, default=str)}\n```")

    @rank_zero_only
    def log_crystals(self, crystals: Sequence[ShownCrystal], step: int) -> None:
        """Show crystals as pictures."""
        for number, crystal in enumerate(crystals, start=1):
            self.experiment.add_image(f"crystals/{number}", crystal_picture(crystal), step, dataformats="HWC")

    @rank_zero_only
    def log_results(self, folder: Path, rows: Sequence[ResultRow], step: int) -> None:
        """Show the table, the figures of the report, and the network's results beside the hyperparameters."""
        if rows:
            self.experiment.add_text("results", results_markdown(rows), step)
        for path in sorted((folder / "figures").glob("*.png")):
            picture = (imread(path)[..., :3] * 255).round().astype(np.uint8)
            self.experiment.add_image(f"figures/{path.stem}", picture, step, dataformats="HWC")
        network = {name: value for name, value in summary_values(rows).items() if name.startswith("test/network/all")}
        self.log_hyperparams(self.hparams, network, step)

    @rank_zero_only
    def close(self, succeeded: bool) -> None:
        """Write the values that are still in memory."""
        self.finalize("success" if succeeded else "failed")
