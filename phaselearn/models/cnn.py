"""A simpler convolutional network: periodic, at the grid's own size, no pooling; it fits in any memory."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from phaselearn.errors import UserError
from phaselearn.models.base import Batch, DensityModel


class PeriodicResidualBlock(nn.Module):
    """Two periodic convolutions added to their input; (B, width, N, N, N) in and out."""

    def __init__(self, width: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        same = (kernel_size - 1) // 2
        self.layers = nn.Sequential(
            nn.GroupNorm(1, width),
            nn.Conv3d(width, width, kernel_size, padding=same * dilation, dilation=dilation, padding_mode="circular"),
            nn.GELU(),
            nn.Conv3d(width, width, kernel_size, padding=same, padding_mode="circular"),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps with the block's change added."""
        return maps + self.layers(maps)


class PeriodicConvolutions(DensityModel):
    """Residual blocks of periodic convolutions.

    Convolutions see a neighbourhood only, so they want an input in real space: `data.input_transform=patterson`,
    the default of the full layouts. From the reflections themselves they can hardly learn the Fourier transform.

    Args:
        width: channels.
        blocks: residual blocks of two convolutions; their dilations run through 1, 2, 4.
        kernel_size: odd.
        options: of `DensityModel`.

    Raises:
        UserError: no channel, or a kernel that has no centre.
    """

    needs: ClassVar[frozenset[str] | None] = frozenset({"input"})

    def __init__(self, width: int, blocks: int, kernel_size: int, **options: Any) -> None:
        super().__init__(**options)
        if width < 1 or blocks < 0 or kernel_size < 3 or kernel_size % 2 == 0:
            raise UserError(
                f"model.width={width}, model.blocks={blocks}, model.kernel_size={kernel_size}: at least 1, at least 0, "
                "and an odd number from 3 on are needed, e.g. model.width=32 model.blocks=6 model.kernel_size=3"
            )
        largest = max(1, (self.definition.size - 1) // (kernel_size - 1))
        dilations = [min((1, 2, 4)[block % 3], largest) for block in range(blocks)]
        same = (kernel_size - 1) // 2
        self.network = nn.Sequential(
            nn.Conv3d(1, width, kernel_size, padding=same, padding_mode="circular"),
            *(PeriodicResidualBlock(width, kernel_size, dilation) for dilation in dilations),
            nn.GELU(),
            nn.Conv3d(width, 1, 1),
        )

    def forward(self, batch: Batch) -> Tensor:
        """Return the predicted density (B, N, N, N)."""
        return self.network(batch["input"][:, None])[:, 0]
