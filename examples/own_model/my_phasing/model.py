"""The model: every voxel from every reflection, through a narrow layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from phaselearn.data.batch import Batch
from phaselearn.models.base import DensityModel


class Bottleneck(DensityModel):
    """Two linear layers with few values between them.

    Args:
        width: number of values between the layers.
        options: the arguments of `DensityModel`: loss, optimiser, definition of the pairs.
    """

    needs = frozenset({"input"})  # what it reads of a batch

    def __init__(self, width: int, **options: Any) -> None:
        super().__init__(**options)
        voxels = self.definition.fixed_size(type(self).__name__) ** 3
        self.layers = nn.Sequential(nn.Linear(voxels, width), nn.GELU(), nn.Linear(width, voxels))

    def forward(self, batch: Batch) -> Tensor:
        """Return the predicted density (B, N, N, N) for the input (B, N, N, N)."""
        return self.layers(batch["input"].flatten(1)).view_as(batch["input"])
