"""Which learning rate to begin with: a few steps at rates from small to large, and then the end."""

from __future__ import annotations

from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import LearningRateFinder

from phaselearn.errors import UserError

FIGURE_FILE = "learning_rate.png"


class RateFound(SystemExit):
    """The rate is told; nothing is trained."""


class RateFinder(LearningRateFinder):
    """Lightning's search for a learning rate, which tells what it found and ends the run.

    To go on with the found rate would leave a run whose configuration names another one.

    Args:
        min_lr: the first rate.
        max_lr: the last rate.
        num_training_steps: steps in between, a rate each, in equal ratios.

    Raises:
        RateFound: while training, when the rate is printed and learning_rate.png is in the run folder.
        UserError: a run that is resumed has its rate; too few losses were finite.
    """

    def __init__(self, min_lr: float, max_lr: float, num_training_steps: int) -> None:
        super().__init__(min_lr, max_lr, num_training_steps, update_attr=False)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Search, draw, tell, and end."""
        if trainer.ckpt_path is not None:
            raise UserError("a run that is resumed has its learning rate: leave callbacks.learning_rate_finder out")
        trainer.fit_loop.max_epochs = -1  # as many as the search takes
        self.lr_find(trainer, pl_module)
        rate = self.optimal_lr.suggestion()
        if rate is None:
            raise UserError(
                f"too few of the {len(self.optimal_lr.results['loss'])} losses are finite to tell a learning rate: "
                "take more steps, callbacks.learning_rate_finder.num_training_steps=300"
            )
        if trainer.is_global_zero:
            path = Path(trainer.default_root_dir) / FIGURE_FILE
            figure = self.optimal_lr.plot(suggest=True)
            figure.savefig(path, dpi=150)
            print(f"rate:   {rate:.1e}, where the loss falls fastest: train with optim.optimizer.lr={rate:.1e}")
            print(f"losses: {path}")
        raise RateFound(0)
