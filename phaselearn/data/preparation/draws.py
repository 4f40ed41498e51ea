"""Random numbers of a crystal: they depend on its seed and their purpose alone, never on the others in a batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from phaselearn.crystal.layout import Shape, friedel_mate
from phaselearn.errors import UserError

Range = float | Sequence[float]  # a value, or [low, high], from which it is drawn for each crystal


def limits(value: Range) -> tuple[float, float]:
    """Return the least and the greatest value of a range."""
    low, high = (value, value) if isinstance(value, int | float) else value
    return low, high


def check_range(key: str, value: Range, least: float, most: float, example: str) -> None:
    """Check that a range lies within bounds.

    Args:
        key: the setting, such as `observation.noise`.
        value: its value.
        least: smallest value allowed.
        most: largest value allowed.
        example: values that are right, for the error.

    Raises:
        UserError: the value is not a range, or not within the bounds.
    """
    try:
        low, high = limits(value)
        right = least <= low <= high <= most and math.isfinite(high)
    except (TypeError, ValueError):
        right = False
    if not right:
        bound = f"at least {least:g}" if math.isinf(most) else f"from {least:g} to {most:g}"
        raise UserError(f"{key}={value}: a number {bound} or a range of them is needed, e.g. {key}={example}")


def generators(seeds: Sequence[int], purpose: str) -> list[torch.Generator]:
    """Return the random numbers of each crystal for one purpose: those of two purposes have nothing in common."""
    return [_generator(seed % (1 << 63), crc32(purpose.encode())) for seed in seeds]


def _generator(*numbers: int) -> torch.Generator:
    [state] = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state) % (1 << 63))


def uniform(value: Range, random: Sequence[torch.Generator], logarithmic: bool = False) -> Tensor:
    """Return a value for each crystal, (B,), uniform in its range or in the range of its logarithm."""
    low, high = limits(value)
    share = torch.stack([torch.rand((), generator=each) for each in random])
    if logarithmic and low < high:
        return torch.exp(math.log(low) + math.log(high / low) * share)
    return low + (high - low) * share


def directions(random: Sequence[torch.Generator], count: int) -> Tensor:
    """Return `count` unit vectors at right angles to each other, of any orientation, (B, count, 3) float64."""
    normal = torch.stack([torch.randn(3, 3, generator=each, dtype=torch.float64) for each in random])
    # Q of normal numbers is uniform over all orientations once its signs are those of a positive diagonal of R.
    q, r = torch.linalg.qr(normal)
    return (q * r.diagonal(dim1=1, dim2=2).sign()[:, None, :]).mT[:, :count]


def reflection_field(
    distribution: Callable[..., Tensor], shape: Shape, layout: str, random: Sequence[torch.Generator]
) -> Tensor:
    """Return a random number for each reflection of each crystal, (B, n₁, n₂, n₃); Friedel mates are one reflection.

    Args:
        distribution: `torch.rand` or `torch.randn`.
        shape: n₁, n₂, n₃.
        layout: layout of the arrays.
        random: B generators.
    """
    values = torch.stack([distribution(*shape, generator=each) for each in random])
    if layout == "octant":
        return values
    # Both mates get the value of the one with the greater place in the box.
    place = torch.arange(math.prod(shape)).view(shape)
    return torch.where(place >= friedel_mate(place), values, friedel_mate(values))
