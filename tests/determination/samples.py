"""A measured crystal that comes with the package, and the same with its intensities mixed up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from phaselearn import measured, read_reflections
from phaselearn.measured.cells import inverse_d_squared
from phaselearn.measured.reflection_data import ReflectionData

EXAMPLE = Path(measured.__file__).parent / "examples" / "cod_2016452.hkl"
SHELL = 40  # reflections whose intensities are permuted among each other


def example() -> ReflectionData:
    """Return C14H14O2: P2₁/c, eight atoms beside hydrogen in the asymmetric unit, 0.84 Å."""
    return read_reflections(EXAMPLE)


def within(data: ReflectionData, d_min: float) -> ReflectionData:
    """Return the reflections with d ≥ d_min (Å)."""
    kept = inverse_d_squared(data.hkl, data.experiment.cell) <= 1 / d_min**2
    return replace(data, hkl=data.hkl[kept], intensity=data.intensity[kept], sigma=data.sigma[kept])


def scrambled(data: ReflectionData, seed: int = 0) -> ReflectionData:
    """Return the same with intensities permuted in shells of resolution: no structure explains them."""
    random = np.random.default_rng(seed)
    order = np.argsort(inverse_d_squared(data.hkl, data.experiment.cell), kind="stable")
    places = np.concatenate([random.permutation(order[first : first + SHELL]) for first in range(0, len(order), SHELL)])
    intensity, sigma = data.intensity.copy(), data.sigma.copy()
    intensity[order], sigma[order] = data.intensity[places], data.sigma[places]
    return replace(data, intensity=intensity, sigma=sigma)
