"""Mean squared error: the loss of the 2021 report."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import mse_loss

from phaselearn.losses.base import Batch, Loss


class MeanSquaredError(Loss):
    """Mean over the voxels of the squared difference, in the target's unit squared."""

    needs: ClassVar[frozenset[str] | None] = frozenset()
    periodic: ClassVar[bool] = False

    def compute(self, prediction: Tensor, target: Tensor | None, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,)."""
        return mse_loss(prediction, target, reduction="none").flatten(1).mean(1)
