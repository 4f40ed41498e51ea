"""Mean absolute error: one bright voxel weighs less than in `mse`."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import l1_loss

from phaselearn.losses.base import Batch, Loss


class MeanAbsoluteError(Loss):
    """Mean over the voxels of the absolute difference, in the target's unit."""

    needs: ClassVar[frozenset[str] | None] = frozenset()
    periodic: ClassVar[bool] = False

    def compute(self, prediction: Tensor, target: Tensor | None, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,)."""
        return l1_loss(prediction, target, reduction="none").flatten(1).mean(1)
