"""Mean absolute error: a single bright voxel counts for less than in `mse`."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import l1_loss

from phaselearn.data.batch import Batch
from phaselearn.losses.base import Loss


class MeanAbsoluteError(Loss):
    """Mean over the voxels of the absolute difference, in the target's unit."""

    needs = frozenset()
    periodic = False

    def compute(self, prediction: Tensor, target: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,)."""
        return l1_loss(prediction, target, reduction="none").flatten(1).mean(1)
