"""A search for the learning rate: steps at rates from small to large, without training afterwards."""

from __future__ import annotations

import io
from pathlib import Path

import pytorch_lightning as pl
from matplotlib.figure import Figure
from pytorch_lightning.callbacks import LearningRateFinder

from phaselearn.errors import UserError
from phaselearn.files import write_whole

FIGURE_FILE = "learning_rate.png"


class RateFound(SystemExit):
    """The rate has been printed; nothing is trained."""


class RateFinder(LearningRateFinder):
    """Lightning's search for a learning rate, which prints the rate and ends the run.

    Training with the rate found would leave a run whose configuration names another rate.

    Args:
        min_lr: first learning rate.
        max_lr: last learning rate.
        num_training_steps: number of steps between them, each at its own rate, in equal ratios.

    Raises:
        RateFound: the rate has been printed, and learning_rate.png is in the run folder.
        UserError: the run is resumed, `trainer.fast_dev_run` is set, or too few losses are finite.
    """

    def __init__(self, min_lr: float, max_lr: float, num_training_steps: int) -> None:
        super().__init__(min_lr, max_lr, num_training_steps, update_attr=False)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Search, draw the losses, print the rate, and end the run."""
        if trainer.ckpt_path is not None:
            raise UserError(
                "a run that is resumed has its learning rate already: leave callbacks.learning_rate_finder out"
            )
        trainer.fit_loop.max_epochs = -1  # as many as the search needs
        self.lr_find(trainer, pl_module)
        found = self.optimal_lr
        if found is None:
            raise UserError(
                "trainer.fast_dev_run leaves no steps to search a learning rate in: take trainer.fast_dev_run=false"
            )
        rate = found.suggestion()
        if rate is None:
            raise UserError(
                f"too few of the {len(found.results['loss'])} losses are finite to suggest a learning rate: "
                "take more steps, callbacks.learning_rate_finder.num_training_steps=300"
            )
        if trainer.is_global_zero:
            path = Path(trainer.default_root_dir) / FIGURE_FILE
            figure = Figure()
            found.plot(suggest=True, ax=figure.subplots())
            content = io.BytesIO()
            figure.savefig(content, dpi=150)
            write_whole(path, content.getvalue())
            print(f"rate:   {rate:.1e}, where the loss falls fastest: train with optim.optimizer.lr={rate:.1e}")
            print(f"losses: {path}")
        raise RateFound(0)
