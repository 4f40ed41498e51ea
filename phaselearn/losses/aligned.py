"""Any loss, computed at the best shift and hand."""

from __future__ import annotations

from torch import Tensor

from phaselearn.data.batch import Batch
from phaselearn.losses.base import Loss
from phaselearn.losses.shifts import best_alignment, laid


class Aligned(Loss):
    """Another loss, computed after the prediction is superimposed on the target where the two correlate best.

    The gradient flows through the aligned prediction; the alignment itself is held fixed. The value has the unit of
    the inner loss.

    Args:
        loss: the inner loss, computed after alignment.
        inversion: also try the other hand.
        subvoxel: also try shifts between voxels, by the Fourier series of the prediction.
    """

    def __init__(self, loss: Loss, inversion: bool = True, subvoxel: bool = False) -> None:
        super().__init__()
        self.loss = loss
        self.inversion = inversion
        self.subvoxel = subvoxel
        self.invariances = loss.invariances | {"origin"} | ({"inversion"} if inversion else set())
        self.needs = loss.needs
        self.minimum = loss.minimum

    def set_epoch(self, epoch: int) -> None:
        """Tell the inner loss which epoch begins."""
        self.loss.set_epoch(epoch)
        self.minimum = self.loss.minimum

    def compute(self, prediction: Tensor, target: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,)."""
        alignment = best_alignment(prediction, target, refine=self.subvoxel, inversion=self.inversion)
        return self.loss(laid(prediction, alignment), target, batch)
