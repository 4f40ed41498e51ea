"""A periodic convolution against torch's own circular padding, and against the convolution alone.

    OMP_NUM_THREADS=1 python benchmarks/periodic_convolution.py

Forward and backward, the least processor time of many calls, side by side. The convolution alone, of maps that are
padded already, is the floor. The channels and maps are those of model=cnn (10³), model=unrolled and model=unet3d.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import product

import torch
from figures import Figures, state_machine
from torch import nn
from torch.nn.functional import conv3d, pad

from phaselearn.models.periodic_convolution import PeriodicConvolution

CASES = {  # batch, channels, voxels along an axis, dilation
    "cnn": (32, 16, 10, 1),
    "cnn, dilation 4": (32, 16, 10, 4),
    "unrolled": (16, 32, 16, 1),
    "unet3d": (4, 8, 64, 1),
}


def seconds(calls: list[Callable[[], object]]) -> list[float]:
    """Return the least processor time of each call, taken in turn."""
    least = [float("inf")] * len(calls)
    for _ in range(12):
        for index, call in enumerate(calls):
            began = time.process_time()
            call()
            least[index] = min(least[index], time.process_time() - began)
    return least


def measured(precision: torch.dtype, batch: int, width: int, size: int, dilation: int) -> list[float]:
    """Return the seconds of the convolution alone, of ours and of torch's."""
    ours = PeriodicConvolution(width, width, dilation=dilation).to(precision)
    torchs = nn.Conv3d(width, width, 3, padding=dilation, dilation=dilation, padding_mode="circular").to(precision)
    maps = torch.randn(batch, width, size, size, size, dtype=precision)
    padded = pad(maps, (dilation,) * 6, mode="circular").contiguous(memory_format=torch.channels_last_3d)
    maps, padded = maps.requires_grad_(), padded.requires_grad_()
    gradient = torch.randn_like(maps)
    last = gradient.contiguous(memory_format=torch.channels_last_3d)
    return seconds(
        [
            lambda: conv3d(padded, ours.weight, ours.bias, dilation=dilation).backward(last),
            lambda: ours(maps).backward(gradient),
            lambda: torchs(maps).backward(gradient),
        ]
    )


def main() -> None:
    """Print the ratios of each case in both precisions."""
    state_machine()
    figures = Figures()
    for precision, (name, case) in product((torch.float32, torch.bfloat16), CASES.items()):
        alone, ours, torchs = measured(precision, *case)
        label = f"{name}, {str(precision).removeprefix('torch.')}"
        figures.at_least(f"{label}: times as fast as circular padding", torchs / ours, 1.0)
        figures.state(f"{label}: times as long as the convolution alone", ours / alone)
    figures.finish()


if __name__ == "__main__":
    main()
