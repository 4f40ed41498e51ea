"""How intensities become a network's input, and densities its target."""

from __future__ import annotations

import torch
from torch import Tensor

INPUTS = ("raw", "amplitude", "log", "patterson")
SCALINGS = ("none", "max", "mean", "deviation")


def transform_input(intensity: Tensor, kind: str) -> Tensor:
    """Transform observed intensities (B, N, N, N).

    `raw` leaves them, `amplitude` takes |F|, `log` takes log(1 + I), `patterson` (full layout only) takes their
    Fourier transform, the map of the vectors between atoms.
    """
    if kind == "amplitude":
        return intensity.sqrt()
    if kind == "log":
        return intensity.log1p()
    if kind == "patterson":
        return torch.fft.ifftn(intensity, dim=(-3, -2, -1)).real
    return intensity


def scale_samples(values: Tensor, kind: str) -> Tensor:
    """Divide each sample (B, N, N, N) by its largest value, mean or standard deviation; zeros stay zeros."""
    flat = values.flatten(1)
    if kind == "max":
        scale = flat.abs().amax(1)
    elif kind == "mean":
        scale = flat.abs().mean(1)
    elif kind == "deviation":
        scale = flat.std(1)
    else:
        return values
    return values / torch.where(scale > 0, scale, 1.0)[:, None, None, None]
