"""Structure factors F(h) = Σ_j f_j(s) exp(−B s²/4) exp(2πi h·x_j) of batches of crystals."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import Indices
from phaselearn.crystal.scattering import SCATTERING, xray_form_factors

_VALUES_AT_ONCE = 1 << 24  # of the table of atoms and reflections below; bounds the memory


def _geometric(weights: Tensor, positions: Tensor, indices: Indices) -> Tensor:
    """Return Σ_j w_j exp(2πi h·x_j) as complex (B, n₁, n₂, n₃) for weights (B, A) and positions (B, A, 3)."""
    # exp(2πi h·x) is a product with one factor an axis, so the sum over atoms is one matrix product:
    # (n₁n₂ reflections in h and k) × (atoms) × (n₃ reflections in l).
    h, k, l = indices  # noqa: E741
    atoms_at_once = max(1, _VALUES_AT_ONCE // (len(weights) * len(h) * len(k)))
    result = weights.new_zeros((len(weights), len(h) * len(k), len(l)), dtype=weights.dtype.to_complex())
    for weight, position in zip(weights.split(atoms_at_once, 1), positions.split(atoms_at_once, 1), strict=True):
        in_h, in_k, in_l = (_waves(position[..., axis], index).to(result) for axis, index in enumerate(indices))
        in_h = in_h * weight[..., None]
        in_hk = (in_h[:, :, :, None] * in_k[:, :, None, :]).flatten(2)
        result.baddbmm_(in_hk.mT, in_l)
    return result.unflatten(1, (len(h), len(k)))


def _waves(position: Tensor, index: Tensor) -> Tensor:
    """Return exp(2πi h x) as (B, A, n) for positions (B, A) along an axis and Miller indices (n,)."""
    # In float64: at h = 20, a float32 product would lose two of its seven digits.
    angle = 2 * math.pi * position.double()[..., None] * index.double()
    return torch.polar(torch.ones_like(angle), angle)


def structure_factors(
    lattice: Tensor,
    numbers: Tensor,
    positions: Tensor,
    indices: Tensor | Indices,
    scattering: str = "atomic_number",
    b_iso: float = 0.0,
) -> Tensor:
    """Return the structure factors of a batch of crystals on a box of reflections.

    Args:
        lattice: (B, 3, 3) in Å.
        numbers: (B, A) atomic numbers, 0 for padding.
        positions: (B, A, 3) fractional.
        indices: Miller indices (n₁,), (n₂,) and (n₃,) along the axes of the box, in any order; one tensor if they are
            the same.
        scattering: `atomic_number` (point atoms, f = Z) or `xray` (International Tables form factors).
        b_iso: isotropic displacement parameter B of all atoms in Å²; the Debye–Waller factor is exp(−B s²/4).

    Returns:
        Complex (B, n₁, n₂, n₃) in electrons, in the precision of `lattice`.

    Raises:
        ValueError: unknown scattering.
    """
    h, k, l = (indices,) * 3 if isinstance(indices, Tensor) else indices  # noqa: E741
    indices = h.to(lattice.device), k.to(lattice.device), l.to(lattice.device)
    if scattering == "atomic_number":
        result = _geometric(numbers.to(lattice.dtype), positions, indices)
    elif scattering == "xray":
        result = _sum_over_elements(lattice, numbers, positions, indices)
    else:
        raise ValueError(f"unknown scattering '{scattering}': allowed are {', '.join(SCATTERING)}")
    if b_iso:
        result = result * torch.exp(-b_iso / 4 * inverse_d_squared(lattice, *indices))
    return result


def _sum_over_elements(lattice: Tensor, numbers: Tensor, positions: Tensor, indices: Indices) -> Tensor:
    # Form factors depend on the element and s only, so there is one geometric sum for each element in a crystal.
    elements, inverse = torch.unique(numbers, return_inverse=True)
    present = torch.zeros(len(numbers), len(elements), dtype=torch.bool, device=numbers.device)
    present.scatter_(1, inverse, torch.ones_like(inverse, dtype=torch.bool))
    present &= elements > 0
    crystal, element = present.nonzero(as_tuple=True)
    weights = (numbers[crystal] == elements[element, None]).to(lattice.dtype)
    geometric = _geometric(weights, positions[crystal], indices)
    factors = xray_form_factors(elements[element], inverse_d_squared(lattice, *indices)[crystal])
    result = geometric.new_zeros((len(lattice), *geometric.shape[1:]))
    return result.index_add_(0, crystal, geometric * factors)
