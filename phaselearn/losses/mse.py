"""Mean squared error: the loss of the 2021 report."""

from __future__ import annotations

from torch import Tensor

from phaselearn.losses.base import Batch, Loss


class MeanSquaredError(Loss):
    """Mean over the voxels of the squared difference, in the target's unit squared."""

    def compute(self, prediction: Tensor, target: Tensor | None, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,)."""
        return (prediction - target).square().flatten(1).mean(1)
