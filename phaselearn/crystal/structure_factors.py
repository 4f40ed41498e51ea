"""Structure factors F(h) = Σ_j f_j(s) exp(−B s²/4) exp(2πi h·x_j) of batches of crystals."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.scattering import SCATTERING, xray_form_factors


def _geometric(weights: Tensor, positions: Tensor, indices: Tensor) -> Tensor:
    """Return Σ_j w_j exp(2πi h·x_j) as complex (B, n, n, n) for weights (B, A) and positions (B, A, 3)."""
    # exp(2πi h·x) is a product with one factor an axis, so the sum over atoms is one matrix product:
    # (n² reflections in h and k) × (atoms) × (n reflections in l).
    # Angles are computed in float64: at h = 20, a float32 product would lose two of its seven digits.
    angle = 2 * math.pi * positions.double()[..., None] * indices.double()
    wave = torch.polar(torch.ones_like(angle), angle).to(weights.dtype.to_complex())
    size = len(indices)
    in_h = wave[:, :, 0] * weights[..., None]
    in_hk = (in_h[:, :, :, None] * wave[:, :, 1, None, :]).flatten(2)
    return (in_hk.mT @ wave[:, :, 2]).unflatten(1, (size, size))


def structure_factors(
    lattice: Tensor,
    numbers: Tensor,
    positions: Tensor,
    indices: Tensor,
    scattering: str = "atomic_number",
    b_iso: float = 0.0,
) -> Tensor:
    """Return the structure factors of a batch of crystals on a box of reflections.

    Args:
        lattice: (B, 3, 3) in Å.
        numbers: (B, A) atomic numbers, 0 for padding.
        positions: (B, A, 3) fractional.
        indices: (n,) Miller indices, the same along each axis, in any order.
        scattering: `atomic_number` (point atoms, f = Z) or `xray` (International Tables form factors).
        b_iso: isotropic displacement parameter B of all atoms in Å²; the Debye–Waller factor is exp(−B s²/4).

    Returns:
        Complex (B, n, n, n) in electrons, in the precision of `lattice`.

    Raises:
        ValueError: unknown scattering.
    """
    indices = indices.to(lattice.device)
    if scattering == "atomic_number":
        result = _geometric(numbers.to(lattice.dtype), positions, indices)
    elif scattering == "xray":
        result = _sum_over_elements(lattice, numbers, positions, indices)
    else:
        raise ValueError(f"unknown scattering '{scattering}': allowed are {', '.join(SCATTERING)}")
    if b_iso:
        result = result * torch.exp(-b_iso / 4 * inverse_d_squared(lattice, indices))
    return result


def _sum_over_elements(lattice: Tensor, numbers: Tensor, positions: Tensor, indices: Tensor) -> Tensor:
    # Form factors depend on the element and s only, so there is one geometric sum for each element in a crystal.
    elements, inverse = torch.unique(numbers, return_inverse=True)
    present = torch.zeros(len(numbers), len(elements), dtype=torch.bool, device=numbers.device)
    present.scatter_(1, inverse, torch.ones_like(inverse, dtype=torch.bool))
    present &= elements > 0
    crystal, element = present.nonzero(as_tuple=True)
    weights = (numbers[crystal] == elements[element, None]).to(lattice.dtype)
    geometric = _geometric(weights, positions[crystal], indices)
    factors = xray_form_factors(elements[element], inverse_d_squared(lattice, indices)[crystal])
    result = geometric.new_zeros((len(lattice), *geometric.shape[1:]))
    return result.index_add_(0, crystal, geometric * factors)
