"""last.ckpt: at the end of every validated epoch, and in the middle of one that is stopped by a signal."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities.exceptions import SIGTERMException

from phaselearn.callbacks.requeue import warnings_of_schedulers


class LastCheckpoint(ModelCheckpoint):
    """Keeps the last state of a training, which a resumed run goes on from with the very next batch.

    A step that is under way is finished first: stopped in its middle, some weights would be new and some old. So is a
    validation, after which the epoch is whole. A second Ctrl-C stops at once and saves nothing. A scheduler's warning
    does as Ctrl-C, and then has the job queued again.

    Args:
        filename: of the checkpoint, without its suffix.
        dirpath: its folder; the run's where none is given.
    """

    def __init__(self, filename: str = "last", dirpath: str | None = None) -> None:
        super().__init__(dirpath=dirpath, filename=filename, enable_version_counter=False)
        self._interrupted = False
        self._handlers: dict[int, Any] = {}
        self._requeues: dict[int, Callable[[], None]] = {}
        self._requeue: Callable[[], None] | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """See whose warnings there may be, before Lightning takes those of SLURM for itself."""
        super().setup(trainer, pl_module, stage)
        self._requeues = warnings_of_schedulers()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Wait for Ctrl-C and for a scheduler's warning; Lightning undoes that however the training ends."""
        super().on_train_start(trainer, pl_module)
        # Only the main thread may.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, *self._requeues):
                self._handlers[number] = signal.signal(number, self._note)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave signals to whom they were before."""
        super().teardown(trainer, pl_module, stage)
        self._hand_back()

    def _note(self, number: int, frame: Any) -> None:
        self._interrupted = True
        self._requeue = self._requeues.get(number)
        if self._requeue is not None:
            print(
                "\nthe scheduler's warning: stopping after this step, to be queued again", file=sys.stderr, flush=True
            )
            return
        self._hand_back()
        print("\nCtrl-C: stopping after this step; once more to stop at once", file=sys.stderr, flush=True)

    def _hand_back(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save and stop, where that is asked for."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        # The epoch's last batch is followed by its validation, and gradients under way are in no checkpoint.
        if trainer.is_last_batch or (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        stop = self._interrupted or trainer.received_sigterm
        # All processes save together, and so stop after the same step.
        if trainer.strategy.reduce_boolean_decision(stop, all=False):
            self._save_checkpoint(trainer, self.format_checkpoint_name({}))
            self._stop(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop between two epochs, where the first has just been saved."""
        if trainer.strategy.reduce_boolean_decision(self._interrupted, all=False) and (
            self._last_global_step_saved == trainer.global_step
        ):
            self._stop(trainer)

    def _stop(self, trainer: pl.Trainer) -> None:
        if self._requeue is not None:
            self._requeue()
        raise SIGTERMException if trainer.received_sigterm else KeyboardInterrupt
