"""Pictures of a few validation crystals, which show how a network learns."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.seed import isolate_rng

from phaselearn.data.datamodule import PairDataModule
from phaselearn.data.loading.dataset import PairDataset
from phaselearn.metrics.phasing import PhasingMetric
from phaselearn.models.base import DensityModel
from phaselearn.report.content import ShownCrystal
from phaselearn.report.showcase import show_crystals
from phaselearn.tracking.tracker import trackers

_EXPECTED = 1.5  # seconds of the processor that the first picture of a crystal takes, the import of libraries included


class CrystalPictures(pl.Callback):
    """Shows the same validation crystals every few epochs and at the end, in loggers that show pictures.

    If no logger does (`logger=csv`), nothing is drawn. The random numbers of training stay the same.

    Args:
        crystals: number of crystals.
        every_n_epochs: number of epochs between two pictures; there is always one after the last epoch.
        share: largest share of the processor time of training that pictures before the last one may take; those that
            would take more are left out. A picture counts as much as the longest before it, and at least 1.5 s for each
            crystal.
    """

    def __init__(self, crystals: int, every_n_epochs: int, share: float = 0.03) -> None:
        self.crystals = crystals
        self.every_n_epochs = every_n_epochs
        self.share = share
        self._began = 0.0
        self._spent, self._longest = 0.0, _EXPECTED * crystals
        self._dataset: PairDataset | None = None
        self._shown_at = -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to count the time."""
        self._began = time.process_time()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the crystals in every n-th epoch, if the time for that is there."""
        due = not trainer.sanity_checking and (trainer.current_epoch + 1) % self.every_n_epochs == 0
        if due and self._spent + self._longest <= self.share * (time.process_time() - self._began):
            self._show(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the crystals as the trained network predicts them."""
        self._show(trainer, pl_module)

    def _show(self, trainer: pl.Trainer, model: pl.LightningModule) -> None:
        showing = [tracker for tracker in trackers(trainer.loggers) if tracker.shows_crystals]
        step = trainer.global_step
        data = getattr(trainer, "datamodule", None)
        if not isinstance(model, DensityModel) or not isinstance(data, PairDataModule):
            return
        if not showing or not trainer.is_global_zero or step == self._shown_at:
            return
        self._shown_at = step
        start = time.process_time()
        if self._dataset is None:
            self._dataset = data.evaluation_loader("validation", self.crystals).dataset
        with isolate_rng():
            shown = predicted_crystals(model, self._dataset)
        for tracker in showing:
            # Lightning numbers steps from 0.
            tracker.log_crystals(shown, step - 1)
        took = time.process_time() - start
        self._spent, self._longest = self._spent + took, max(self._longest, took)


def predicted_crystals(model: DensityModel, dataset: PairDataset) -> list[ShownCrystal]:
    """Return all crystals of a small data set with their predictions, judged and superimposed on the truth."""
    batch = model.transfer_batch_to_device(
        dataset.__getitems__([(place, 0) for place in range(len(dataset))]), model.device, 0
    )
    modes = {module: module.training for module in model.modules()}
    model.eval()
    metric = PhasingMetric(model.definition, refine=True).to(model.device)
    with torch.inference_mode():
        metric.update(model(batch).float(), batch)
    judged: dict[str, Any] = {name: values.cpu() for name, values in metric.crystals().items()}
    shown = show_crystals(model, dataset, judged, list(range(len(dataset))))
    for module, training in modes.items():
        module.training = training
    return shown
