"""The scattering of an atom: its atomic number, or the tabulated X-ray form factor."""

from __future__ import annotations

from functools import cache

import gemmi
import torch
from torch import Tensor

SCATTERING = ("atomic_number", "xray")
LARGEST_ATOMIC_NUMBER = 98  # californium, the last row of the International Tables


@cache
def _gaussian_table() -> Tensor:
    """Return (Z, 9) float64: a1…a4, b1…b4 (Å²), c of the International Tables C (1992), table 6.1.1.4."""
    rows = [[0.0] * 9]
    for number in range(1, LARGEST_ATOMIC_NUMBER + 1):
        coefficients = gemmi.Element(number).it92
        rows.append([*coefficients.a, *coefficients.b, coefficients.c])
    return torch.tensor(rows, dtype=torch.float64)


def xray_form_factors(numbers: Tensor, inverse_d_squared: Tensor) -> Tensor:
    """Return the X-ray form factors of atoms.

    f(s) = Σ a_i exp(−b_i s²/4) + c is Cromer and Mann's form, with the coefficients of the International Tables for
    Crystallography C (1992), as gemmi tabulates them.

    Args:
        numbers: (...) atomic numbers, 0 for padding.
        inverse_d_squared: (..., n, n, n) values of s² in 1/Å².

    Returns:
        (..., n, n, n) in electrons, in the precision of `inverse_d_squared`.
    """
    table = _gaussian_table().to(inverse_d_squared)[numbers]
    quarter = inverse_d_squared / 4
    extra = (...,) + (None,) * (inverse_d_squared.ndim - numbers.ndim)
    result = table[..., 8][extra].expand_as(quarter).clone()
    for i in range(4):
        result += table[..., i][extra] * torch.exp(-table[..., 4 + i][extra] * quarter)
    return result
