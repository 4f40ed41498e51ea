"""A convolution that wraps around the cell. Its padding costs one copy forward and one back.

torch's own circular padding gives up the channels-last layout, and its backward pass fills a map with zeros for every
face. That took more time than the convolution itself (benchmarks/periodic_convolution.py).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv3d

_AXES = (-1, -2, -3)


class PeriodicConvolution(nn.Conv3d):
    """A cubic convolution on periodic maps: (B, channels, n₁, n₂, n₃) in, (B, out_channels, n₁, n₂, n₃) out.

    Args:
        channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: voxels along an edge of the kernel, an odd number.
        dilation: distance of the kernel's voxels. Half a kernel, (kernel_size - 1) / 2 · dilation, may not exceed an
            axis of the maps.
        bias: whether a number is added to every channel.
    """

    def __init__(
        self, channels: int, out_channels: int, *, kernel_size: int = 3, dilation: int = 1, bias: bool = True
    ) -> None:
        super().__init__(channels, out_channels, kernel_size, dilation=dilation, bias=bias)
        self.reach = (kernel_size - 1) // 2 * dilation
        # torch documents `to` with a memory format alone, but its type hints lack it.
        self.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    def forward(self, maps: Tensor) -> Tensor:
        """Return the convolved maps, channels last."""
        kind = maps.device.type
        if torch.is_autocast_enabled(kind):
            maps = maps.to(torch.get_autocast_dtype(kind))  # before the padding, which then moves half the bytes
        wrapped = _Wrap.apply(maps.contiguous(memory_format=torch.channels_last_3d), self.reach)
        return conv3d(wrapped, self.weight, self.bias, dilation=self.dilation)


class _Wrap(torch.autograd.Function):
    """Continues periodic maps by `reach` voxels beyond each face."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, reach: int) -> Tensor:
        ctx.reach = reach
        for axis in _AXES:
            size = maps.shape[axis]
            maps = torch.cat((maps.narrow(axis, size - reach, reach), maps, maps.narrow(axis, 0, reach)), axis)
        return maps

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Add the gradient of each copy to that of its voxel."""
        (gradient,), reach = gradients, ctx.reach
        for axis in reversed(_AXES):
            size = gradient.shape[axis] - 2 * reach
            before, inner, after = gradient.split((reach, size, reach), axis)
            if axis == _AXES[-1]:
                inner = inner.clone(memory_format=torch.channels_last_3d)  # the gradient belongs to others
            inner.narrow(axis, 0, reach).add_(after)
            inner.narrow(axis, size - reach, reach).add_(before)
            gradient = inner
        return gradient, None
