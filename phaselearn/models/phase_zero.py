"""All phases zero: the floor that every other method must clear."""

from __future__ import annotations

from torch import Tensor

from phaselearn.models.classical import ClassicalModel
from phaselearn.phasing.measurement import Measurement


class PhaseZero(ClassicalModel):
    """The map of the measured amplitudes with all phases zero: one high peak at the origin."""

    def phase(self, measurement: Measurement, crystals: list[int]) -> Tensor:
        """Return half boxes (B, N, N, N/2 + 1)."""
        return measurement.amplitude.to(measurement.amplitude.dtype.to_complex())
