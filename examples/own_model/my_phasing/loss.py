"""The loss: a squared error in which the density's maxima count more."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from phaselearn.losses.base import Batch, Loss


class PeakWeighted(Loss):
    """Mean over the voxels of the squared difference, weighted with 1 + `peaks` · |ρ| / max |ρ| of the target.

    Args:
        peaks: how much more the highest voxel counts than an empty one.
    """

    needs: ClassVar[frozenset[str] | None] = frozenset()  # of a batch, beside the target
    periodic: ClassVar[bool] = False  # it takes voxels one by one

    def __init__(self, peaks: float) -> None:
        super().__init__()
        self.peaks = peaks

    def compute(self, prediction: Tensor, target: Tensor | None, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,) for maps (B, N, N, N)."""
        height = target.abs() / target.abs().amax((1, 2, 3), keepdim=True)
        return ((1 + self.peaks * height) * (prediction - target).square()).mean((1, 2, 3))
