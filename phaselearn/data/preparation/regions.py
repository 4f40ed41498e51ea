"""Regions of reciprocal space that an experiment reaches: tilts about one axis, or the window of a pressure cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from phaselearn.data.preparation.draws import Range, check_range, directions, generators, uniform
from phaselearn.errors import UserError


class Region(Protocol):
    """The reflections that an experiment reaches; how the crystal is mounted is drawn."""

    def reached(self, vectors: Tensor, seeds: Sequence[int]) -> Tensor:
        """Return a bool mask (B, …) of reciprocal-lattice vectors (B, …, 3) in 1/Å."""


@dataclass(frozen=True)
class TiltSeries:
    """Electron diffraction of a crystal that is tilted about one axis; a wedge of reciprocal space is never reached.

    The wavelength is so short that at each tilt a plane through the origin diffracts, at right angles to the beam.
    Planes from −tilt to +tilt leave out a double wedge of 180° − 2·tilt, whose edge is the axis.

    Attributes:
        tilt: largest tilt in degrees on either side, or a range [low, high] of it.
    """

    tilt: Range = 60.0

    def __post_init__(self) -> None:
        check_range("observation.region.tilt", self.tilt, 1, 90, "60")

    def reached(self, vectors: Tensor, seeds: Sequence[int]) -> Tensor:
        """Return a bool mask (B, …) of reciprocal-lattice vectors (B, …, 3) in 1/Å."""
        # Of the crystal at no tilt: the plane that diffracts holds the axis and `across`.
        beam, across = directions(generators(seeds, "tilt axis"), 2).to(vectors).unbind(1)
        along_beam, in_plane = _along(vectors, beam).abs(), _along(vectors, across).abs()
        sine, cosine = (
            _like(function(uniform(self.tilt, generators(seeds, "tilt")).deg2rad()), along_beam)
            for function in (torch.sin, torch.cos)
        )
        return along_beam * cosine <= in_plane * sine + _rounding(vectors)


@dataclass(frozen=True)
class PressureCell:
    """A diamond-anvil cell: both beams, in and out, pass through its windows, two cones about its axis.

    The cell may be turned in any way, and the crystal lies in it as it happens to. A reflection at the angle β from the
    plane at right angles to the axis, with Bragg angle θ, is reached where β + θ is at most the windows' half opening:
    best is the bisector of the two beams in the plane of the axis and the reflection, and there they are β − θ and
    β + θ away from the axis.

    Attributes:
        opening: half opening of the windows in degrees, or a range [low, high] of it.
        wavelength: wavelength in Å.
    """

    opening: Range = 45.0
    wavelength: float = 0.7107

    def __post_init__(self) -> None:
        check_range("observation.region.opening", self.opening, 1, 90, "45")
        if not 0 < self.wavelength < 10:
            raise UserError(
                f"observation.region.wavelength={self.wavelength}: between 0 and 10 Å is needed, e.g. "
                "observation.region.wavelength=0.7107"
            )

    def reached(self, vectors: Tensor, seeds: Sequence[int]) -> Tensor:
        """Return a bool mask (B, …) of reciprocal-lattice vectors (B, …, 3) in 1/Å."""
        [axis] = directions(generators(seeds, "axis of the cell"), 1).to(vectors).unbind(1)
        length = torch.linalg.vector_norm(vectors, dim=-1)
        from_plane = torch.asin((_along(vectors, axis).abs() / length.clamp_min(1e-12)).clamp_max(1))
        sine = length * (self.wavelength / 2)
        bragg = torch.where(sine <= 1, torch.asin(sine.clamp_max(1)), math.inf)
        opening = _like(uniform(self.opening, generators(seeds, "opening")).deg2rad(), length)
        return from_plane + bragg <= opening


def _along(vectors: Tensor, direction: Tensor) -> Tensor:
    """Return the components (B, …) of vectors (B, …, 3) along directions (B, 3)."""
    return (vectors.flatten(1, -2) @ direction[:, :, None]).view(vectors.shape[:-1])


def _like(values: Tensor, field: Tensor) -> Tensor:
    """Return values (B,) as (B, 1, …, 1), in the precision of a field (B, …)."""
    return values.to(field).view(-1, *(1 for _ in field.shape[1:]))


def _rounding(vectors: Tensor) -> float:
    """Return the largest rounding error of a component, which lets a reflection on the axis be reached."""
    return 10 * torch.finfo(vectors.dtype).eps
