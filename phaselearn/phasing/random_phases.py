"""Random starting phases that depend on seed, crystal and restart alone: never on the batch or the device."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from phaselearn.crystal.layout import BOX, Shape
from phaselearn.crystal.reflection_grid import ReflectionGrid
from phaselearn.phasing.measurement import AmplitudeConstraint, Measurement, transform


def random_start(measurement: Measurement, seed: int, crystals: Sequence[int], restarts: Sequence[int]) -> Tensor:
    """Return half boxes (B, n₁, n₂, n₃/2 + 1) of the measured amplitudes with random phases.

    Args:
        measurement: the measured amplitudes of B trajectories.
        seed: seed of the whole run.
        crystals: (B,) a number for each trajectory's crystal, its row in the store.
        restarts: (B,) the number of each trajectory among those of its crystal.
    """
    noise = seeded_noise(measurement.shape, seed, crystals, restarts)
    noise = transform(noise.to(measurement.amplitude)) / math.sqrt(math.prod(measurement.shape))
    return AmplitudeConstraint.of(measurement).apply(noise)


def random_phases(grid: ReflectionGrid, seed: int, crystals: Sequence[int], starts: Sequence[int]) -> Tensor:
    """Return half boxes (B, n₁, n₂, n₃/2 + 1) with the random phases of a real map.

    Args:
        grid: the measured amplitudes of B trajectories.
        seed: seed of the whole run.
        crystals: (B,) a number for each trajectory's crystal, its row in the store.
        starts: (B,) the number of each trajectory among those of its crystal.
    """
    noise = seeded_noise(grid.shape, seed, crystals, starts)
    return torch.fft.rfftn(noise.to(grid.amplitude), dim=BOX)


def seeded_noise(shape: Shape, seed: int, crystals: Sequence[int], restarts: Sequence[int]) -> Tensor:
    """Return white noise (B, *shape): its transform has independent uniform phases and Friedel symmetry.

    Args:
        shape: voxels of a map along its axes.
        seed, crystals, restarts: numbers that determine the noise, as in `random_start`.
    """
    maps = []
    for crystal, restart in zip(crystals, restarts, strict=True):
        words = np.random.SeedSequence([seed, crystal, restart]).generate_state(2, np.uint32)
        generator = torch.Generator().manual_seed(int(words[0]) << 31 | int(words[1]))
        maps.append(torch.randn(shape, generator=generator))
    return torch.stack(maps)
