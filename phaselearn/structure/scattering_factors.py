"""Tabulated scattering factors of elements at the reflections of a list."""

from __future__ import annotations

from functools import cache

import gemmi
import numpy as np
import torch
from numpy.typing import NDArray

from phaselearn.crystal.scattering import SCATTERING, form_factors

_HC = 12398.4198  # eV Å


def scattering_factors(element: str, inverse_d_squared: NDArray[np.float64], probe: str) -> NDArray[np.float64]:
    """Return f(s) (M,) of an atom at rest, without dispersion: electrons (X-rays), Å (electrons) or fm (neutrons)."""
    number = torch.tensor([gemmi.Element(element).atomic_number])
    places = torch.tensor([SCATTERING.index(probe)])
    result: NDArray[np.float64] = form_factors(number, places, torch.from_numpy(inverse_d_squared)[None])[0].numpy()
    return result


@cache
def dispersion(element: str, probe: str, wavelength: float | None) -> tuple[float, float]:
    """Return f′ and f″ in electrons, by Cromer & Liberman; 0 where they are not known or not of X-rays."""
    number = gemmi.Element(element).atomic_number
    if probe != "xray" or not wavelength or number < 3:
        return 0.0, 0.0
    real, imaginary = gemmi.cromer_liberman(z=number, energy=_HC / wavelength)
    return float(real), float(imaginary)


def weight_of(element: str, probe: str) -> float:
    """Return how strongly an element scatters forwards: electrons, Å or fm."""
    return float(scattering_factors(element, np.zeros(1), probe)[0])
