"""The loss: a squared error in which high density counts more."""

from __future__ import annotations

from torch import Tensor

from phaselearn.data.batch import Batch
from phaselearn.losses.base import Loss


class PeakWeighted(Loss):
    """Mean over the voxels of the squared difference, weighted with 1 + `peaks` · |ρ| / max |ρ| of the target.

    Args:
        peaks: how much more the highest voxel counts than an empty one.
    """

    needs = frozenset()  # of a batch, beside the target
    periodic = False  # it takes voxels one by one

    def __init__(self, peaks: float) -> None:
        super().__init__()
        self.peaks = peaks

    def compute(self, prediction: Tensor, target: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,) for maps (B, N, N, N)."""
        height = target.abs() / target.abs().amax((1, 2, 3), keepdim=True)
        return ((1 + self.peaks * height) * (prediction - target).square()).mean((1, 2, 3))
