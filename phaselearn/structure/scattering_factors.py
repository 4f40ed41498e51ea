"""Tabulated scattering factors of elements at the reflections of a list."""

from __future__ import annotations

from functools import cache

import gemmi
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import least_squares

from phaselearn.crystal.choices import SCATTERING
from phaselearn.crystal.scattering import form_factors

_HC = 12398.4198  # eV Å
_FIRST_WIDTHS = (0.5, 3.0, 15.0, 60.0)  # Å², of Gaussians that are fitted


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


@cache
def gaussians(element: str, probe: str) -> tuple[float, ...]:
    """Return a₁, b₁, …, a₄, b₄, c of f(s) ≈ Σ aᵢ exp(−bᵢ s²/4) + c up to s = 2.5 Å⁻¹, the form that SHELX reads."""
    square = np.linspace(0, 2.5, 200) ** 2
    wanted = scattering_factors(element, square, probe)

    def sum_of(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        shares, widths = parameters[:4], np.exp(parameters[4:8])
        total: NDArray[np.float64] = shares @ np.exp(-widths[:, None] * square / 4) + parameters[8]
        return total

    start = np.concatenate((np.full(4, wanted[0] / 4), np.log(_FIRST_WIDTHS), [0.0]))
    found = least_squares(lambda parameters: sum_of(parameters) - wanted, start).x
    pairs = zip(found[:4].tolist(), np.exp(found[4:8]).tolist(), strict=True)
    return (*(value for pair in pairs for value in pair), float(found[8]))


def weight_of(element: str, probe: str) -> float:
    """Return how strongly an element scatters forwards: electrons, Å or fm."""
    return float(scattering_factors(element, np.zeros(1), probe)[0])
