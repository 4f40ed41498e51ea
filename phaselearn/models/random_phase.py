"""Random phases: the score of a method that knows nothing, after the search for the best origin and hand."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from phaselearn.crystal.observed import Observed
from phaselearn.models.classical import ClassicalModel
from phaselearn.phasing.measurement import Measurement
from phaselearn.phasing.random_phases import random_start


class RandomPhase(ClassicalModel):
    """The map of the measured amplitudes with independent uniform phases.

    Args:
        seed: seed of the phases.
        options: the arguments of `DensityModel`.
    """

    def __init__(self, seed: int, **options: Any) -> None:
        super().__init__(**options)
        self.seed = seed

    def phase(self, observed: Observed, crystals: list[int]) -> Tensor:
        """Return the map amplitudes with random phases, as FFT boxes (B, N, N, N)."""
        measurement = Measurement.of(observed)
        return measurement.full_box(random_start(measurement, self.seed, crystals, [0] * len(crystals)))
