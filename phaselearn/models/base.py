"""The base class of models: their steps, judgements and optimiser. A model defines `__init__` and `forward`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn, Protocol, runtime_checkable

import pytorch_lightning as pl
import torch
from torch import Tensor
from torchmetrics import MeanMetric

from phaselearn.crystal.observed import Observed
from phaselearn.crystal.reflection_grid import ReflectionGrid
from phaselearn.data.batch import Batch
from phaselearn.data.pairs import PairDefinition
from phaselearn.errors import UserError
from phaselearn.losses.base import Loss
from phaselearn.metrics.phasing import PhasingMetric
from phaselearn.models.learning_rate import Configured


@runtime_checkable
class PhaseImprover(Protocol):
    """A network that turns trial phases into better ones, which is all that the solver requires of a network."""

    def improve(self, grid: ReflectionGrid, phases: Tensor) -> tuple[Tensor, Tensor]:
        """Return half boxes (B, n₁, n₂, n₃/2 + 1) with better phases, and (B,) the map correlation expected of them."""


@runtime_checkable
class AtomPlacer(Protocol):
    """A network that moves atoms from trial positions to those of the crystal."""

    def place(self, observed: Observed, numbers: Tensor, begin: Tensor, steps: int) -> Tensor:
        """Return fractional positions (B, A, 3) of atoms (B, A), from `begin` (B, A, 3) in so many steps."""


class DensityModel(pl.LightningModule):
    """A model that predicts a density (B, N, N, N) from a batch of `PairDataModule`.

    Args:
        loss: computes the loss of each sample.
        definition: definition of the pairs.
        optimizer: makes the optimiser from parameter groups; None where nothing is trained.
        schedule: factor of the learning rate by the share of the training that is done, from 0 to 1; None keeps the
            rate constant. A run that is resumed with more epochs goes on with the factor of its share of them.

    Raises:
        UserError: the loss wraps maps around their edges, and the maps are not in the fractional frame.

    Attributes:
        needs: the parts of a batch that the model reads in training; None for all. Training batches hold only the
            parts that the model or its loss needs: gathering the rest would cost a small network a fifth of its time.
        chaotic: whether rounding errors, which depend on the batch, may grow until they change the result.
        undetermined: changes of the density that the model leaves open, among `origin` and `inversion`. A loss that
            counts them as errors does not train it.
        told: the parts of the truth that the model is told, such as `numbers`, the composition of the cell.
        suited: settings of `data` that the model is made for, such as {"batching": "cell"}. Training with others begins
            with a warning.
    """

    needs: frozenset[str] | None = None
    chaotic: bool = False
    undetermined: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()
    suited: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        *,
        loss: Loss,
        definition: PairDefinition,
        optimizer: Callable[[Iterable[Any]], torch.optim.Optimizer] | None = None,
        schedule: Callable[[float], float] | None = None,
    ) -> None:
        super().__init__()
        if loss.periodic and definition.frame != "fractional":
            raise UserError(
                f"{type(loss).__name__} wraps maps around the edges of the cell, but with "
                f"data.definition.frame={definition.frame} a map is not one cell: take "
                "data.definition.frame=fractional, or loss=mse, l1 or correlation"
            )
        self.loss = loss
        self.definition = definition
        self._optimizer = optimizer
        self._schedule = schedule
        self._configured: Configured | None = None
        self._so_far: dict[str, Any] = {}  # losses of an epoch that another run has begun
        self._loss_sum, self._crystals = torch.zeros(()), 0
        self.validation_loss = MeanMetric(nan_strategy="disable")
        self.validation_metric = PhasingMetric(definition, refine=False)
        self.test_metric = PhasingMetric(definition, refine=True)

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *arguments: Any, **options: Any) -> NoReturn:
        """Refuse to load: the class alone does not know its loss and the definition of its pairs.

        Lightning would build whatever classes the file names; `load_model` builds those that the options name.

        Raises:
            UserError: always; it names the function that loads a checkpoint.
        """
        path = repr(str(checkpoint_path))
        raise UserError(
            f"{cls.__name__}.load_from_checkpoint({path}) knows neither its loss nor its pairs: load it "
            f"with `from phaselearn import load_model; model = load_model({path})`, or fill a model of yours with "
            f"`model.load_state_dict(torch.load({path}, weights_only=True)['state_dict'])`"
        )

    def forward(self, batch: Batch) -> Tensor:
        """Return the predicted density (B, N, N, N), from the batch's `input` or its intensities."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def training_losses(self, batch: Batch) -> Tensor:
        """Return the value that is trained for each crystal, (B,); a model may add terms to the loss of its map."""
        return self._losses(self(batch), batch)

    def _losses(self, prediction: Tensor, batch: Batch) -> Tensor:
        return self.loss(prediction, batch.get("density"), batch)

    @property
    def training_needs(self) -> frozenset[str] | None:
        """Names of the parts that a training batch must hold, for the model and its loss; None for all."""
        own, of_loss = self.needs, self.loss.needs
        return None if own is None or of_loss is None else own | of_loss | {"input", "density"}

    def on_train_start(self) -> None:
        """Restore the losses of an epoch within which the checkpoint was saved: the epoch does not start again.

        What the configuration says about the optimiser holds, also where the checkpoint says otherwise.
        """
        self._begin_epoch(**self._so_far)
        self._so_far = {}
        if self._configured is not None:
            self._configured.restore()

    def on_train_epoch_start(self) -> None:
        """Tell the loss which epoch begins."""
        self._begin_epoch()

    def _begin_epoch(self, loss_sum: float = 0.0, crystals: int = 0) -> None:
        self.loss.set_epoch(self.current_epoch)
        self._loss_sum, self._crystals = torch.tensor(loss_sum, device=self.device), crystals

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the losses of the epoch under way."""
        if self.trainer.training or self.trainer.validating:
            # All processes share one file, so each of them continues with an equal share of the sum.
            total = self.trainer.strategy.reduce(self._loss_sum.clone(), reduce_op="mean")
            crystals = self.trainer.strategy.reduce(torch.tensor(self._crystals, device=self.device), reduce_op="sum")
            checkpoint["epoch_so_far"] = {
                "loss_sum": float(total),
                "crystals": int(crystals) // self.trainer.world_size,
            }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the losses of the epoch under way."""
        self._so_far = checkpoint.get("epoch_so_far", {})

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the mean loss of a batch."""
        loss = self.training_losses(batch).mean()
        self._loss_sum += len(batch["input"]) * loss.detach()
        self._crystals += len(batch["input"])
        if self.trainer.is_last_batch:
            self._log_training_loss()
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the loss of an epoch that was stopped before its end."""
        if not self.trainer.is_last_batch:
            self._log_training_loss()

    def _log_training_loss(self) -> None:
        # Once per epoch: Lightning's own sum over the steps takes a quarter of a small network's time, and it rounds
        # the weights of several processes to whole crystals.
        totals = torch.stack([self._loss_sum, torch.tensor(float(self._crystals), device=self.device)])
        total, crystals = self.trainer.strategy.reduce(totals, reduce_op="sum")
        mean = total / crystals.clamp(min=1)
        self.log("train/loss", mean, on_step=False, on_epoch=True, batch_size=1, sync_dist=True)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Log the loss and judge the prediction."""
        prediction = self(batch)
        self.validation_loss.update(self._losses(prediction, batch))
        self.log("val/loss", self.validation_loss, on_epoch=True, prog_bar=True)
        self.validation_metric.update(prediction, batch)

    def on_validation_epoch_end(self) -> None:
        """Log the judgements beside their phase-zero floors.

        For speed, origins are searched on the voxels only. A method that is blind to the origin therefore scores lower
        here than in the test, which refines origins between the voxels.
        """
        self._log_summary("val", self.validation_metric)

    def test_step(self, batch: Batch, batch_index: int) -> None:
        """Log the loss and judge the prediction, with origins refined between the voxels."""
        prediction = self(batch)
        loss = self._losses(prediction, batch).mean()
        self.log("test/loss", loss, on_epoch=True, batch_size=len(batch["input"]), sync_dist=True)
        self.test_metric.update(prediction, batch)

    def on_test_epoch_end(self) -> None:
        """Log the judgements beside their phase-zero floors; `test_metric` keeps those of each crystal."""
        self._log_summary("test", self.test_metric, reset=False)

    def _log_summary(self, stage: str, metric: PhasingMetric, reset: bool = True) -> None:
        for subset, values in metric.compute().items():
            if not values["n"]:
                continue
            suffix = "" if subset == "all" else f"_{subset}"
            for name in ("solved", "median_cc", "gain", "floor", "floor_solved"):
                shown = stage == "val" and subset == "all" and name in ("median_cc", "floor")
                self.log(f"{stage}/{name}{suffix}", values[name], prog_bar=shown)
        if reset:
            metric.reset()

    def on_test_epoch_start(self) -> None:
        """Discard earlier judgements."""
        self.test_metric.reset()

    def configure_optimizers(self) -> Any:
        """Return the optimiser and its schedule; weight decay acts on weights, but not on biases and norms."""
        if self._optimizer is None:
            return None
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [parameter for parameter in trained if parameter.ndim > 1]},
            {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = self._optimizer([group for group in groups if group["params"]])
        schedule = self._schedule
        if schedule is None:
            self._configured = Configured(optimizer, None)
            return optimizer
        rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: schedule(self._share_done()))
        self._configured = Configured(optimizer, rate)
        # After each step, so that a run that had ended and gets more epochs does not spend one at its last rate.
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rate, "interval": "step"}}

    def _share_done(self) -> float:
        """Return the share of the epochs that is done, or of the steps if these end sooner."""
        done = (self.current_epoch, self.trainer.max_epochs), (self.global_step, self.trainer.max_steps)
        return min(1.0, max((now / most for now, most in done if most is not None and most > 0), default=0.0))
