"""All phases zero: the floor that every other method must exceed."""

from __future__ import annotations

from torch import Tensor

from phaselearn.crystal.observed import Observed
from phaselearn.models.classical import ClassicalModel


class PhaseZero(ClassicalModel):
    """The map of the measured amplitudes with all phases zero, which has one high peak at the origin."""

    def phase(self, observed: Observed, crystals: list[int]) -> Tensor:
        """Return the map amplitudes as FFT boxes (B, n₁, n₂, n₃)."""
        amplitude = observed.map_amplitude()
        return amplitude.to(amplitude.dtype.to_complex())
