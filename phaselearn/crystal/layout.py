"""Layouts: the reflections that an array holds, and their places in it.

`octant` has h, k, l = 0 … N−1, as in the 2021 report; it is complete only for Laue classes that contain mmm.
`full` is the FFT box, h = −n/2 … n/2−1 in FFT order with empty Nyquist planes: all that a map of n voxels along this
axis can hold. `sphere` has the reflections down to a resolution; a batch has them on FFT boxes (`phaselearn.crystal.
sphere`). The report's boxes have N³ points. All others have n₁ × n₂ × n₃, as many as the resolution requires.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from torch import Tensor

from phaselearn.crystal.choices import LAYOUTS

Shape = tuple[int, int, int]
BOX = (-3, -2, -1)  # the axes of a box or map, after any others
POINTS_AT_ONCE = 1 << 21  # of the boxes that are processed together; larger batches are split to bound the memory

Indices = tuple[Tensor, Tensor, Tensor]  # Miller indices (n₁,), (n₂,) and (n₃,) along the axes of a box


def miller_indices(layout: str, size: int) -> Tensor:
    """Return the Miller indices (size,) along each axis of an array in a layout, as int64.

    Raises:
        ValueError: unknown layout.
    """
    if layout == "octant":
        return torch.arange(size)
    if layout in ("full", "sphere"):
        return torch.fft.fftfreq(size, 1 / size).round().long()
    raise ValueError(f"unknown layout '{layout}': allowed are {', '.join(LAYOUTS)}")


def miller_box(shape: Shape, device: torch.device | None = None) -> Indices:
    """Return the Miller indices (n₁,), (n₂,), (n₃,) along the axes of an FFT box, as int64."""
    first, second, third = (miller_indices("full", size).to(device) for size in shape)
    return first, second, third


def shape_from(size: int | Shape) -> Shape:
    """Return n₁, n₂, n₃; one number stands for three equal ones."""
    return (size, size, size) if isinstance(size, int) else size


def inside_nyquist(size: int | Shape, device: torch.device | None = None) -> Tensor:
    """Return a bool mask (n₁, n₂, n₃) of the FFT box that leaves out its Nyquist planes: |h| < n/2.

    Args:
        size: n₁, n₂, n₃, or one number if they are equal.
        device: device of the mask.
    """
    shape = shape_from(size)
    h, k, l = (index.abs() * 2 < length for index, length in zip(miller_box(shape, device), shape, strict=True))  # noqa: E741
    return h[:, None, None] & k[:, None] & l


def held_reflections(layout: str, size: int | Shape, device: torch.device | None = None) -> Tensor:
    """Return a bool mask (n₁, n₂, n₃) of the places in an array that can hold reflections.

    Args:
        layout: `octant`, `full` or `sphere`; of the last, the mask of a crystal is `Sphere.mask`.
        size: n₁, n₂, n₃, or one number if they are equal.
        device: device of the mask.
    """
    if layout == "octant":
        return torch.ones(shape_from(size), dtype=torch.bool, device=device)
    return inside_nyquist(size, device)


def friedel_mate(values: Tensor) -> Tensor:
    """Return the values (..., n₁, n₂, n₃) of an FFT box read at −h; Nyquist planes map onto themselves."""
    return values.flip(-1, -2, -3).roll((1, 1, 1), (-1, -2, -3))


def to_full_box(values: Tensor, layout: str) -> Tensor:
    """Place the reflections of an array, and their Friedel mates, on the FFT box of the same size.

    Reflections without a Friedel mate on the box (Nyquist planes, and an octant's indices from n/2 on) are left out.
    Reflections that the array does not hold are zero. The values may be intensities, amplitudes or masks, but not
    complex.

    Args:
        values: (..., n₁, n₂, n₃), real or bool.
        layout: the layout of `values`.

    Returns:
        (..., n₁, n₂, n₃) in FFT order.
    """
    shape = shape_of(values)
    if layout != "octant":
        return values * inside_nyquist(shape, values.device).to(values.dtype)
    h, k, l = (slice((size + 1) // 2) for size in shape)  # noqa: E741
    box = torch.zeros_like(values)
    box[..., h, k, l] = values[..., h, k, l]
    mates = friedel_mate(box)
    return box | mates if values.dtype == torch.bool else torch.maximum(box, mates)


def shape_of(boxes: Tensor | np.ndarray) -> Shape:
    """Return n₁, n₂, n₃ of boxes (..., n₁, n₂, n₃)."""
    first, second, third = boxes.shape[-3:]
    return first, second, third


def multiplied(shape: Shape, factor: int) -> Shape:
    """Return the shape of a grid that is finer by a factor along each axis."""
    first, second, third = (factor * size for size in shape)
    return first, second, third


def strides(shape: Shape, device: torch.device | None = None) -> Tensor:
    """Return (3,) the distances in a flattened box between neighbours along each axis."""
    return torch.tensor((shape[1] * shape[2], shape[2], 1), device=device)


def unravelled(place: Tensor, shape: Shape) -> Tensor:
    """Return the points (..., 3) at places (...) in a flattened box, as whole numbers along the axes."""
    return torch.stack(torch.unravel_index(place, shape), -1)


def in_parts(rows: Tensor, points: int) -> tuple[Tensor, ...]:
    """Split rows (B,), each with a box of `points` points, into parts small enough to be processed together."""
    return rows.split(max(1, POINTS_AT_ONCE // points))


def resized(values: Tensor, shape: Shape) -> Tensor:
    """Return FFT boxes (B, n₁, n₂, n₃) on boxes of another shape; reflections that either box lacks are left out."""
    if shape_of(values) == tuple(shape):
        return values
    return _on_box(values, shape, half=False)


def _on_box(values: Tensor, shape: Shape, *, half: bool) -> Tensor:
    """Copy the reflections of FFT boxes that another shape has, onto boxes of that shape or their halves."""
    first, second, third = map(_common_indices, shape_of(values), shape)
    box = values.new_zeros((len(values), shape[0], shape[1], shape[2] // 2 + 1 if half else shape[2]))
    for block in product(first, second, third[:1] if half else third):
        box[..., *block] = values[..., *block]
    return box


def _common_indices(present: int, wanted: int) -> tuple[slice, ...]:
    """Return the indices from 0 up that axes of two lengths share, and those below 0, if there are any."""
    largest = (min(present, wanted) - 1) // 2
    return (slice(largest + 1), slice(-largest, None)) if largest else (slice(1),)


def permuted(boxes: Tensor, order: Tensor) -> Tensor:
    """Return boxes (B, n₁, n₂, n₃) with the axes of each in the order (B, 3), on a box that holds all of them.

    FFT boxes stay FFT boxes: where the axes of different rows have different lengths, planes are added.
    """
    turned = [box.permute(*axes)[None] for box, axes in zip(boxes, order.tolist(), strict=True)]
    first, second, third = (max(sizes) for sizes in zip(*(box.shape[1:] for box in turned), strict=True))
    return torch.cat([resized(box, (first, second, third)) for box in turned])


def half_box(values: Tensor, shape: Shape) -> Tensor:
    """Resize FFT boxes (B, m₁, m₂, m₃) and return them as half boxes (B, n₁, n₂, n₃/2 + 1) of `torch.fft.rfftn`."""
    if shape_of(values) == tuple(shape):
        return values[..., : shape[2] // 2 + 1]
    return _on_box(values, shape, half=True)
