"""Stops training when the loss or a weight is not finite, before the weights replace the last good ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from phaselearn.errors import UserError
from phaselearn.quoting import command, setting


class Diverged(UserError):
    """The training loss or a weight is no longer finite."""


class FiniteLoss(pl.Callback):
    """Ends training once the loss or a weight is not finite; checkpoints then hold the last whole epoch.

    Both are checked every few steps, at validations and ends of epochs, and before a checkpoint is written. The weights
    matter by themselves, since the last step may spoil them and no loss is computed behind it.

    Args:
        every: number of steps between two checks; each check waits for the device.

    Raises:
        Diverged: one of them is not finite during training; the message gives epoch, step and a command that helps.
    """

    def __init__(self, every: int = 50) -> None:
        self.every = every
        self._sum: torch.Tensor | None = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add the loss to a sum, which is finite only if all its terms are; check the sum every few steps."""
        loss = outputs["loss"].detach()
        self._sum = loss if self._sum is None else self._sum + loss
        if (batch_idx + 1) % self.every == 0:
            self._check(trainer, pl_module)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Check the loss and the weights."""
        self._check(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Check the loss and the weights."""
        self._check(trainer, pl_module)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Check the loss and the weights."""
        self._check(trainer, pl_module)

    def _check(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._sum is not None and not bool(self._sum.isfinite()):
            what = "the training loss is"
        elif not _all_finite(pl_module):
            what = "weights are"
        else:
            self._sum = None
            return
        folder = Path(trainer.default_root_dir)
        options = trainer.optimizers[0].param_groups[0]
        rate = options["lr"]
        # A fused optimiser cannot clip gradients under autocast.
        unfused = ["optim.optimizer.fused=false"] if options.get("fused") else []
        go_on = command("phaselearn train", setting("resume", folder), "trainer.gradient_clip_val=1.0", *unfused)
        kept = (
            f"{folder / 'last.ckpt'} holds the last whole epoch, continue from it with `{go_on}`, or "
            if (folder / "last.ckpt").exists()
            else ""
        )
        raise Diverged(
            f"{what} not finite in epoch {trainer.current_epoch}, by step {trainer.global_step}: {kept}"
            f"train again with a lower learning rate than {rate:.1e}, "
            f"e.g. `phaselearn train optim.optimizer.lr={rate / 10:.1e}`{_check_of_data(trainer)}"
        )


def _all_finite(module: pl.LightningModule) -> bool:
    weights = [weight.detach().isfinite().all() for weight in module.parameters()]
    return not weights or bool(torch.stack(weights).all())


def _check_of_data(trainer: pl.Trainer) -> str:
    """Return a hint for checking that the pairs themselves are finite."""
    store = getattr(getattr(trainer, "datamodule", None), "configured_store", None)
    if store is None:
        return ""
    verify = command("phaselearn prepare verify=true", setting("data.store", store.path()))
    return f"; see that the data are sound with `{verify}`"
