"""A small periodic convolutional network. It works at the grid's own size, without pooling, and fits in any memory."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from phaselearn.data.batch import Batch
from phaselearn.errors import UserError
from phaselearn.models.base import DensityModel
from phaselearn.models.periodic_convolution import PeriodicConvolution


class PeriodicResidualBlock(nn.Module):
    """Two periodic convolutions whose output is added to their input; takes and returns (B, width, N, N, N)."""

    def __init__(self, width: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(1, width),
            PeriodicConvolution(width, width, kernel_size=kernel_size, dilation=dilation),
            nn.GELU(),
            PeriodicConvolution(width, width, kernel_size=kernel_size),
        )
        # A block begins as the identity: many blocks would otherwise let the first steps explode.
        for parameter in self.layers[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps with the block's change added."""
        return maps + self.layers(maps)


class PeriodicConvolutions(DensityModel):
    """Residual blocks of periodic convolutions.

    A convolution sees a neighbourhood only and can hardly learn a Fourier transform. So it needs its input in real
    space: `data.input_transform=patterson`, the default of the full layouts.

    Args:
        width: number of channels.
        blocks: number of residual blocks, of two convolutions each; their dilations run through 1, 2, 4.
        kernel_size: voxels along an edge of the kernels, an odd number.
        options: the arguments of `DensityModel`.

    Raises:
        UserError: the width is below 1, the number of blocks is negative, or the kernel has no centre.
    """

    needs = frozenset({"input"})
    suited = MappingProxyType({"input_transform": "patterson"})

    def __init__(self, width: int, blocks: int, kernel_size: int, **options: Any) -> None:
        super().__init__(**options)
        if width < 1 or blocks < 0 or kernel_size < 3 or kernel_size % 2 == 0:
            raise UserError(
                f"model.width={width}, model.blocks={blocks}, model.kernel_size={kernel_size}: the width must be at "
                "least 1, the blocks at least 0, the kernel size odd and at least 3, "
                "e.g. model.width=32 model.blocks=6 model.kernel_size=3"
            )
        largest = max(1, (self.definition.fixed_size(type(self).__name__) - 1) // (kernel_size - 1))
        dilations = [min((1, 2, 4)[block % 3], largest) for block in range(blocks)]
        self.network = nn.Sequential(
            PeriodicConvolution(1, width, kernel_size=kernel_size),
            *(PeriodicResidualBlock(width, kernel_size, dilation) for dilation in dilations),
            nn.GELU(),
            nn.Conv3d(width, 1, 1),
        )

    def forward(self, batch: Batch) -> Tensor:
        """Return the predicted density (B, N, N, N)."""
        return self.network(batch["input"][:, None])[:, 0]
