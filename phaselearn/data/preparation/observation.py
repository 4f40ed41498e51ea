"""The observation model: what an experiment would have measured of ideal intensities.

Applied when data are loaded, so that one store serves every regime. What is drawn at random depends on a seed for
each crystal alone: never on the batch, the worker or the order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import friedel_mate, held_reflections, miller_indices
from phaselearn.errors import UserError


@dataclass(frozen=True)
class Observation:
    """Limits and errors of a measurement; the defaults are ideal data.

    Attributes:
        d_min: resolution in Å: reflections with d < d_min are unmeasured; null for no limit.
        completeness: share of the reflections, chosen at random, that are measured; or a range [low, high] from
            which it is drawn for each crystal.
        noise: standard deviation of the error of |F|, relative to |F|; or a range.
        b_iso: additional isotropic displacement parameter in Å², damping |F| by exp(−B s²/4).
    """

    d_min: float | None = None
    completeness: float | Sequence[float] = 1.0
    noise: float | Sequence[float] = 0.0
    b_iso: float = 0.0

    def __post_init__(self) -> None:
        if self.d_min is not None and self.d_min <= 0:
            raise UserError(f"observation.d_min={self.d_min}: a resolution above 0 Å, e.g. observation.d_min=1.5")
        low, high = _range(self.completeness)
        if not 0 < low <= high <= 1:
            raise UserError(
                f"observation.completeness={self.completeness}: a share in (0, 1] or a range of it, e.g. 0.7 or [0.6,1]"
            )
        low, high = _range(self.noise)
        if not 0 <= low <= high:
            raise UserError(
                f"observation.noise={self.noise}: a share of |F| of at least 0 or a range of it, e.g. 0.2 or [0,0.2]"
            )

    @property
    def is_random(self) -> bool:
        """Whether two measurements of one crystal differ."""
        return _range(self.completeness)[0] < 1 or _range(self.noise)[1] > 0

    def apply(self, intensity: Tensor, lattice: Tensor, layout: str, seeds: list[int]) -> tuple[Tensor, Tensor]:
        """Measure a batch.

        Args:
            intensity: (B, N, N, N) ideal intensities.
            lattice: (B, 3, 3) in Å.
            layout: layout of `intensity`.
            seeds: (B,) one seed a crystal.

        Returns:
            Intensities with the unmeasured at zero, and the mask (B, N, N, N) bool of the measured. An intensity that
            is not a number is unmeasured, one below zero is zero.
        """
        size = intensity.shape[-1]
        mask = held_reflections(layout, size, intensity.device).expand_as(intensity)
        lowest, highest = torch.aminmax(intensity)
        # Rare, and the mask of sound data is one row for all crystals.
        if not (lowest >= 0 and highest < torch.inf):
            sound = torch.isfinite(intensity)
            mask, intensity = mask & sound, torch.where(sound, intensity, 0.0).clamp_min(0)
        if self.d_min is not None or self.b_iso:
            square = inverse_d_squared(lattice, miller_indices(layout, size).to(lattice.device))
            if self.b_iso:
                intensity = intensity * torch.exp(-self.b_iso / 2 * square)
            if self.d_min is not None:
                mask = mask & (square <= 1 / self.d_min**2 * (1 + 1e-6))
        if _range(self.noise)[1] > 0:
            error = torch.stack([self._draw(torch.randn, size, layout, 2 * seed) for seed in seeds])
            noise = _drawn(self.noise, [3 * seed for seed in seeds]).to(intensity)
            intensity = intensity * (1 + noise * error.to(intensity)).clamp_min(0).square()
        if _range(self.completeness)[0] < 1:
            chance = torch.stack([self._draw(torch.rand, size, layout, 2 * seed + 1) for seed in seeds])
            completeness = _drawn(self.completeness, [3 * seed + 1 for seed in seeds])
            mask = mask & (chance < completeness).to(mask.device)
        return intensity * mask, mask

    @staticmethod
    def _draw(distribution: Callable[..., Tensor], size: int, layout: str, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed % (1 << 63))
        values = distribution(size, size, size, generator=generator)
        if layout == "octant":
            return values
        # Friedel mates are one reflection: both get the value of the one with the greater place in the box.
        place = torch.arange(size**3).view(size, size, size)
        return torch.where(place >= friedel_mate(place), values, friedel_mate(values))


def _range(value: float | Sequence[float]) -> tuple[float, float]:
    low, high = (value, value) if isinstance(value, (int, float)) else value
    return low, high


def _drawn(value: float | Sequence[float], seeds: list[int]) -> Tensor:
    """Return a value for each crystal, (B, 1, 1, 1), uniform in its range."""
    low, high = _range(value)
    shares = [torch.rand((), generator=torch.Generator().manual_seed(seed % (1 << 63))) for seed in seeds]
    return (low + (high - low) * torch.stack(shares))[:, None, None, None]
