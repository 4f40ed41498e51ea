"""last.ckpt, written at the end of every epoch and when a signal stops training within one."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.exceptions import SIGTERMException

from phaselearn.callbacks.requeue import warnings_of_schedulers
from phaselearn.callbacks.run_checkpoint import RunCheckpoint


class LastCheckpoint(RunCheckpoint):
    """Keeps the last state of training; a resumed run continues from it with the very next batch.

    At Ctrl-C the current step is finished first, since within a step some weights are new and some old. A validation is
    also finished, which completes its epoch. A second Ctrl-C stops at once and saves nothing. A scheduler's warning
    acts like Ctrl-C, and then the job is queued again.

    Args:
        filename: name of the checkpoint, without its suffix.
        dirpath: folder of the checkpoint; None for the run folder.
    """

    def __init__(self, filename: str = "last", dirpath: str | None = None) -> None:
        super().__init__(dirpath=dirpath, filename=filename, enable_version_counter=False)
        self._interrupted = False
        self._handlers: dict[int, Any] = {}
        self._requeues: dict[int, Callable[[], None]] = {}
        self._requeue: Callable[[], None] | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Note which signals are a scheduler's warnings, before Lightning takes over those of SLURM."""
        super().setup(trainer, pl_module, stage)
        self._requeues = warnings_of_schedulers()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Handle Ctrl-C and a scheduler's warning until training ends; Lightning then calls `teardown`."""
        super().on_train_start(trainer, pl_module)
        # Only the main thread may set handlers.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, *self._requeues):
                self._handlers[number] = signal.signal(number, self._note)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Restore the earlier signal handlers."""
        super().teardown(trainer, pl_module, stage)
        self._hand_back()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = True
        self._requeue = self._requeues.get(number)
        if self._requeue is not None:
            print(
                "\nwarning of the scheduler: stopping after this step, then queued again", file=sys.stderr, flush=True
            )
            return
        self._hand_back()
        print("\nCtrl-C: stopping after this step; press it again to stop at once", file=sys.stderr, flush=True)

    def _hand_back(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save and stop if a signal has asked for it."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        # The last batch is followed by a validation, and no checkpoint holds gradients that are still accumulated.
        if trainer.is_last_batch or (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        stop = self._interrupted or trainer.received_sigterm
        # All processes save together, so they stop after the same step.
        if trainer.strategy.reduce_boolean_decision(stop, all=False):
            self._save_checkpoint(trainer, self.format_checkpoint_name({}))
            self._stop(trainer)
        # This saves before the validation that Lightning adds, after which the epoch would count as complete.
        if trainer.should_stop and _may_stop(trainer):
            self._save_checkpoint(trainer, self.format_checkpoint_name({}))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save an epoch that no validation followed; Lightning would leave it out."""
        super().on_train_epoch_end(trainer, pl_module)
        if self._last_global_step_saved != trainer.global_step:
            self._save_checkpoint(trainer, self.format_checkpoint_name({}))

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop between two epochs if the first has just been saved."""
        if trainer.strategy.reduce_boolean_decision(self._interrupted, all=False) and (
            self._last_global_step_saved == trainer.global_step
        ):
            self._stop(trainer)

    def _stop(self, trainer: pl.Trainer) -> None:
        if self._requeue is not None:
            self._requeue()
        raise SIGTERMException if trainer.received_sigterm else KeyboardInterrupt


def _may_stop(trainer: pl.Trainer) -> bool:
    return trainer.current_epoch >= (trainer.min_epochs or 0) and trainer.global_step >= (trainer.min_steps or 0)
