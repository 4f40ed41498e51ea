"""Crystals on boxes of their own, put together on one box."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from phaselearn.crystal.density import interpolated
from phaselearn.crystal.layout import Shape, resized, shape_of
from phaselearn.data.batch import Batch


def joined(parts: Sequence[Batch], maps: Collection[str]) -> Batch:
    """Return the crystals of several batches one after the other, on the smallest box that holds those of each.

    Reflections that a crystal's own box lacks are unobserved, and maps are interpolated by their Fourier series. So a
    crystal has the same reflections and the same density in any company.

    Args:
        parts: batches with the same parts. Reflections are in FFT order.
        maps: names of the parts that are maps of the cell.
    """
    first, *others = parts
    if not others:
        return first
    shapes = [shape_of(part["intensity"]) for part in parts]
    common = _largest(shapes)
    whole = {
        name: torch.cat([_on_box(cast(Mapping[str, Tensor], part)[name], common, name in maps) for part in parts])
        for name in first
    }
    # Made in a loop, it is not a TypedDict to a type checker; its keys are those of a batch.
    return cast(Batch, whole)


def _largest(shapes: Sequence[Shape]) -> Shape:
    first, second, third = (max(sizes) for sizes in zip(*shapes, strict=True))
    return first, second, third


def _on_box(values: Tensor, shape: Shape, is_map: bool) -> Tensor:
    if values.ndim != 4:
        return values
    return interpolated(values, shape) if is_map else resized(values, shape)
