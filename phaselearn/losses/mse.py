"""Mean squared error: the loss of the 2021 report."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import mse_loss

from phaselearn.data.batch import Batch
from phaselearn.losses.base import Loss


class MeanSquaredError(Loss):
    """Mean over the voxels of the squared difference, in the target's unit squared."""

    needs = frozenset()
    periodic = False

    def compute(self, prediction: Tensor, target: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,)."""
        return mse_loss(prediction, target, reduction="none").flatten(1).mean(1)
