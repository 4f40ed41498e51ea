"""The 3D U-Net of the 2021 report. Voxels are duplicated until its levels divide the size of the map."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool3d, interpolate, max_pool3d
from torch.utils.checkpoint import checkpoint

from phaselearn.data.batch import Batch
from phaselearn.errors import UserError, choose
from phaselearn.models.base import DensityModel
from phaselearn.models.periodic_convolution import PeriodicConvolution

PADDINGS = ("periodic", "zero")


def duplication_factor(size: int, smallest: int, levels: int) -> int:
    """Return the least whole factor that makes `size` at least `smallest` and a multiple of 2^levels."""
    factor = -(-smallest // size)
    while size * factor % 2**levels:
        factor += 1
    return factor


def _convolutions(inputs: int, outputs: int, blocks: int, padding: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    for block in range(blocks):
        width = inputs if block == 0 else outputs
        if padding == "periodic":
            layers.append(PeriodicConvolution(width, outputs, bias=False))
        else:
            layers.append(nn.Conv3d(width, outputs, 3, padding=1, bias=False))
        layers += [nn.GroupNorm(1, outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet3D(DensityModel):
    """Encoder and decoder with skip connections.

    The voxels of the input are duplicated until an axis has at least `smallest` of them, and the output is averaged
    back. On the way up, voxels are duplicated and convolved.

    Args:
        levels: number of times that the map is halved.
        width: number of channels at the first level; each further level has twice as many.
        blocks: number of convolutions at each level.
        smallest: least number of voxels along an axis that the network works on.
        padding: `periodic` or `zero`.
        activation_checkpointing: whether the activations of a level are recomputed in the backward pass instead of
            kept.
        options: the arguments of `DensityModel`.

    Raises:
        UserError: the padding is unknown, or a number is below 1.
    """

    needs = frozenset({"input"})

    def __init__(
        self,
        levels: int,
        width: int,
        blocks: int,
        smallest: int,
        padding: str,
        activation_checkpointing: bool,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        choose("model.padding", padding, PADDINGS, command="phaselearn train model=unet3d")
        if levels < 1 or width < 1 or blocks < 1:
            raise UserError(
                f"model.levels={levels}, model.width={width}, model.blocks={blocks}: each must be at least 1, "
                "e.g. `phaselearn train model=unet3d model.levels=3`"
            )
        self.factor = duplication_factor(self.definition.fixed_size(type(self).__name__), smallest, levels)
        self.activation_checkpointing = activation_checkpointing
        widths = [width * 2**level for level in range(levels + 1)]
        self.down = nn.ModuleList(
            _convolutions(a, b, blocks, padding) for a, b in zip([1, *widths[:-1]], widths, strict=True)
        )
        self.up = nn.ModuleList(
            _convolutions(deep + shallow, shallow, blocks, padding)
            for shallow, deep in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.output = nn.Conv3d(width, 1, 1)

    def _run(self, level: nn.Module, maps: Tensor) -> Tensor:
        if self.activation_checkpointing and torch.is_grad_enabled():
            return checkpoint(level, maps, use_reentrant=False)
        return level(maps)

    def forward(self, batch: Batch) -> Tensor:
        """Return the predicted density (B, N, N, N)."""
        maps = interpolate(batch["input"][:, None], scale_factor=self.factor, mode="nearest")
        skips = []
        for level in self.down[:-1]:
            maps = self._run(level, maps)
            skips.append(maps)
            maps = max_pool3d(maps, 2)
        maps = self._run(self.down[-1], maps)
        for level, skip in zip(self.up, reversed(skips), strict=True):
            maps = self._run(level, torch.cat((interpolate(maps, scale_factor=2, mode="nearest"), skip), 1))
        return avg_pool3d(self.output(maps), self.factor)[:, 0]
