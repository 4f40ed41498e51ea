"""One minus the correlation of two maps: it ignores scale and mean, but not the origin."""

from __future__ import annotations

import torch
from torch import Tensor

from phaselearn.data.batch import Batch
from phaselearn.losses.base import Loss


class Correlation(Loss):
    """1 − Pearson's correlation of prediction and target over the voxels; dimensionless, between 0 and 2.

    A flat map correlates with nothing: its loss is 1.
    """

    invariances = frozenset({"scale", "offset"})
    needs = frozenset()
    periodic = False

    def compute(self, prediction: Tensor, target: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,)."""
        return 1 - (unit_deviation(prediction) * unit_deviation(target)).flatten(1).sum(1)


def unit_deviation(maps: Tensor) -> Tensor:
    """Return the deviations of maps (B, n₁, n₂, n₃) from their means, scaled to unit norm.

    A flat map gives zeros, with a zero gradient.
    """
    values = maps.flatten(1)
    deviation = values - values.mean(1, keepdim=True)
    square = deviation.square().sum(1, keepdim=True)
    # Rounding alone gives a flat map this much deviation.
    rounding = (values.square().sum(1, keepdim=True) * values.shape[1] ** 0.5).detach()
    flat = square <= (torch.finfo(values.dtype).eps ** 2 * rounding)
    return torch.where(flat, 0.0, deviation / torch.where(flat, 1.0, square).sqrt()).view_as(maps)
