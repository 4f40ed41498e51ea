"""From the pairs of a store, or fresh ones, to what a network sees: augmented, measured, transformed and scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from phaselearn.data.augmentation import Augmentation
from phaselearn.data.observation import Observation
from phaselearn.data.transforms import scale_samples, transform_input


@dataclass(frozen=True)
class Preparation:
    """What is done to a batch of ideal pairs; what is drawn depends on the seed, the crystal and the epoch alone.

    Attributes:
        observation: what is measured.
        augmentation: what is changed at random.
        input_transform, input_scaling, target_scaling: see `phaselearn.data.transforms`.
        layout: of the intensities.
        seed: of everything drawn.
    """

    observation: Observation
    augmentation: Augmentation
    input_transform: str
    input_scaling: str
    target_scaling: str
    layout: str
    seed: int

    @property
    def is_random(self) -> bool:
        """Whether a crystal looks different in another epoch."""
        return self.augmentation.is_random or self.observation.is_random

    def __call__(self, batch: dict[str, Tensor], epochs: Sequence[int]) -> dict[str, Tensor]:
        """Prepare a batch.

        Args:
            batch: `intensity`, `density` (B, N, N, N), `lattice`, `numbers`, `positions` and `row` (B,).
            epochs: (B,) which time each crystal is seen.

        Returns:
            The batch with `input` and `observed`, both (B, N, N, N), beside.
        """
        seeds = [_mix(self.seed, int(row), epoch) for row, epoch in zip(batch["row"], epochs, strict=True)]
        if self.augmentation.is_random:
            batch = self.augmentation.apply(batch, self.layout, seeds)
        intensity, observed = self.observation.apply(batch["intensity"], batch["lattice"], self.layout, seeds)
        return batch | {
            "intensity": intensity,
            "observed": observed,
            "input": scale_samples(transform_input(intensity, self.input_transform, self.layout), self.input_scaling),
            "density": scale_samples(batch["density"], self.target_scaling),
        }


def _mix(*numbers: int) -> int:
    """Return one seed that depends on all numbers and their order."""
    return int(np.random.SeedSequence([number % (1 << 63) for number in numbers]).generate_state(1, np.uint64)[0])
