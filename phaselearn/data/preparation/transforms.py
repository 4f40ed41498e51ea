"""Transforms of intensities into a network's input, and the scaling of inputs and targets."""

from __future__ import annotations

import torch
from torch import Tensor

from phaselearn.crystal.layout import to_full_box

INPUTS = ("raw", "amplitude", "log", "patterson")
SCALINGS = ("none", "max", "mean", "deviation")


def transform_input(intensity: Tensor, kind: str, layout: str) -> Tensor:
    """Transform observed intensities (B, n₁, n₂, n₃).

    `raw` leaves them as they are, `amplitude` takes |F|, `log` takes log(1 + I). `patterson` takes the Fourier
    transform of the intensities that a map of the same size can hold, which is the map of the vectors between atoms.
    Reflections that were not measured count as zero: an octant gives a Patterson map of a third of the reflections.
    """
    if kind == "amplitude":
        return intensity.sqrt()
    if kind == "log":
        return intensity.log1p()
    if kind == "patterson":
        return torch.fft.ifftn(to_full_box(intensity, layout), dim=(-3, -2, -1)).real
    return intensity


def maps_of_input(kind: str) -> set[str]:
    """Return the part of a batch that is a map because of the transform: `input`, or none."""
    return {"input"} if kind == "patterson" else set()


def scale_samples(values: Tensor, kind: str) -> Tensor:
    """Divide each sample (B, n₁, n₂, n₃) by its largest value, mean or standard deviation; zeros stay zeros."""
    flat = values.flatten(1)
    if kind == "max":
        scale = flat.abs().amax(1)
    elif kind == "mean":
        scale = flat.abs().mean(1)
    elif kind == "deviation":
        # Faster than torch's own standard deviation: benchmarks/LOG.md.
        scale = torch.linalg.vector_norm(flat - flat.mean(1, keepdim=True), dim=1) / max(flat.shape[1] - 1, 1) ** 0.5
    else:
        return values
    return values / torch.where(scale > 0, scale, 1.0)[:, None, None, None]
