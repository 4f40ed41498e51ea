"""Any loss after the best shift and hand."""

from __future__ import annotations

from torch import Tensor

from phaselearn.losses.base import Batch, Loss
from phaselearn.losses.shifts import best_alignment, laid


class Aligned(Loss):
    """Another loss, of the prediction laid on the target where the two correlate best.

    The gradient flows through the aligned prediction; where to lay it is taken as given. In the unit of the
    loss inside.

    Args:
        loss: what is taken after alignment.
        inversion: also try the other hand.
        subvoxel: shifts between voxels too, by the Fourier series of the prediction.
    """

    def __init__(self, loss: Loss, inversion: bool = True, subvoxel: bool = False) -> None:
        super().__init__()
        self.loss = loss
        self.inversion = inversion
        self.subvoxel = subvoxel

    @property
    def invariances(self) -> frozenset[str]:
        """What the loss inside is blind to, and the origin, and with `inversion` the hand."""
        return self.loss.invariances | {"origin"} | ({"inversion"} if self.inversion else set())

    @property
    def needs(self) -> frozenset[str] | None:
        """What the loss inside reads of the batch."""
        return self.loss.needs

    @property
    def minimum(self) -> float | None:
        """That of the loss inside."""
        return self.loss.minimum

    def compute(self, prediction: Tensor, target: Tensor | None, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,)."""
        alignment = best_alignment(prediction, target, refine=self.subvoxel, inversion=self.inversion)
        return self.loss(laid(prediction, alignment), target, batch)
