"""Reflections as a file lists them, with what it states of the crystal and the measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.cells import Cell

LONGEST_ELECTRON_WAVE = 0.1  # Å: 15 keV. X-rays and neutrons of diffractometers are longer
PROBES = ("xray", "electron", "neutron")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """The crystal and its measurement, as a file or its user states them. Nothing here has been tested.

    Attributes:
        cell: a, b, c in Å, α, β, γ in degrees.
        wavelength: wavelength in Å; None where it is unknown.
        probe: one of "xray", "electron", "neutron".
        contents: {element: number of atoms in the cell}. A number is 0 where only the element is known. Empty where
            nothing is known.
        operations: triplets of the stated space group, centring included, such as "-x,y+1/2,-z"; empty where no
            symmetry is stated.
    """

    cell: Cell
    wavelength: float | None = None
    probe: str = "xray"
    contents: Mapping[str, float] = field(default_factory=dict)
    operations: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReflectionData:
    """Measured reflections, neither merged nor sorted.

    Attributes:
        hkl: indices (M, 3).
        intensity: |F|² (M,) on any scale; weak ones may be negative.
        sigma: standard uncertainty (M,) of the intensity, positive.
        experiment: the crystal and its measurement.
        source: the file and what was read of it, for people.
        warnings: sentences about what was left out or assumed.
    """

    hkl: NDArray[np.int32]
    intensity: NDArray[np.float64]
    sigma: NDArray[np.float64]
    experiment: Experiment
    source: str
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of reflections."""
        return len(self.hkl)


def probe_of(wavelength: float | None) -> str:
    """Return the probe that a wavelength in Å suggests: electrons below 0.1 Å, else X-rays."""
    return "electron" if wavelength is not None and wavelength < LONGEST_ELECTRON_WAVE else "xray"
