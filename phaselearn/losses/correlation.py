"""One minus the correlation of two maps: blind to scale and mean, not to the origin."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from phaselearn.losses.base import Batch, Loss


class Correlation(Loss):
    """1 − Pearson's correlation of prediction and target over the voxels; no unit, between 0 and 2.

    A map without any variation correlates with nothing: its loss is 1.
    """

    invariances: ClassVar[frozenset[str]] = frozenset({"scale", "offset"})
    needs: ClassVar[frozenset[str] | None] = frozenset()
    periodic: ClassVar[bool] = False

    def compute(self, prediction: Tensor, target: Tensor | None, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,)."""
        first, second = (unit_deviation(values).flatten(1) for values in (prediction, target))
        return 1 - (first * second).sum(1)


def unit_deviation(maps: Tensor) -> Tensor:
    """Return the deviations of maps (B, N, N, N) from their means at unit norm.

    A flat map gives zeros, and a zero gradient.
    """
    values = maps.flatten(1)
    deviation = values - values.mean(1, keepdim=True)
    square = deviation.square().sum(1, keepdim=True)
    # Rounding alone leaves this much of a flat map's deviation.
    rounding = (values.square().sum(1, keepdim=True) * values.shape[1] ** 0.5).detach()
    flat = square <= (torch.finfo(values.dtype).eps ** 2 * rounding)
    return torch.where(flat, 0.0, deviation / torch.where(flat, 1.0, square).sqrt()).view_as(maps)
