"""Structure factors F(h) = Σ_j o_j f_j(s) exp(−8π²U_j s²/4) exp(2πi h·x_j) of batches of crystals."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import Indices
from phaselearn.crystal.scattering import Scattering, debye_waller, form_factors, point_weights, with_occupancy

# Largest tables of atoms × reflections in h and k, and of atoms × all reflections, in values; they bound the memory.
_VALUES_AT_ONCE = 1 << 24
_FACTORS_AT_ONCE = 1 << 18


def structure_factors(
    lattice: Tensor,
    numbers: Tensor,
    positions: Tensor,
    indices: Tensor | Indices,
    scattering: str | Scattering = "atomic_number",
    b_iso: float = 0.0,
) -> Tensor:
    """Return the structure factors of a batch of crystals on a box of reflections.

    Args:
        lattice: (B, 3, 3) in Å.
        numbers: (B, A) atomic numbers, 0 for padding.
        positions: (B, A, 3) fractional.
        indices: Miller indices (n₁,), (n₂,) and (n₃,) along the axes of the box, in any order; one tensor if they are
            the same.
        scattering: a name in `SCATTERING`, or a `Scattering` with displacements and occupancies.
        b_iso: isotropic displacement parameter B in Å² of all atoms, in addition to their own displacements; the
            Debye–Waller factor is exp(−B s²/4).

    Returns:
        Complex (B, n₁, n₂, n₃) in the precision of `lattice`: in electrons (point atoms, X-rays), Å (electrons) or fm
        (neutrons).

    Raises:
        ValueError: unknown scattering.
        UserError: how an element scatters is not known.
    """
    box = along_axes(indices, lattice.device)
    scattering = Scattering.of(scattering)
    weights = point_weights(numbers, scattering, lattice.dtype)
    if weights is not None:
        result = geometric_sum(weights, positions, box)
    elif scattering.u_iso is None:
        result = _sum_over_elements(lattice, numbers, positions, box, scattering)
    else:
        result = _sum_over_atoms(lattice, numbers, positions, box, scattering, scattering.u_iso)
    if b_iso:
        result = result * torch.exp(-b_iso / 4 * inverse_d_squared(lattice, *box))
    return result


def along_axes(indices: Tensor | Indices, device: torch.device) -> Indices:
    """Return Miller indices along the three axes, on a device; one tensor stands for all three."""
    first, second, third = (indices,) * 3 if isinstance(indices, Tensor) else indices
    return first.to(device), second.to(device), third.to(device)


def geometric_sum(weights: Tensor, positions: Tensor, indices: Tensor | Indices) -> Tensor:
    """Return Σ_j w_j exp(2πi h·x_j), complex (B, n₁, n₂, n₃).

    Args:
        weights: (B, A), the same at all reflections; 0 for padding.
        positions: (B, A, 3) fractional.
        indices: Miller indices along the axes, as in `structure_factors`.
    """
    # exp(2πi h·x) is a product with one factor per axis, so the sum over atoms is one matrix product:
    # (n₁n₂ reflections in h and k) × (atoms) × (n₃ reflections in l).
    h, k, l = box = along_axes(indices, positions.device)  # noqa: E741
    atoms_at_once = max(1, _VALUES_AT_ONCE // (len(weights) * len(h) * len(k)))
    result = weights.new_zeros((len(weights), len(h) * len(k), len(l)), dtype=weights.dtype.to_complex())
    for weight, position in zip(weights.split(atoms_at_once, 1), positions.split(atoms_at_once, 1), strict=True):
        in_h, in_k, in_l = _waves(position, box, weights.dtype)
        in_h = in_h * weight[..., None]
        in_hk = (in_h[:, :, :, None] * in_k[:, :, None, :]).flatten(2)
        result.baddbmm_(in_hk.mT, in_l)
    return result.unflatten(1, (len(h), len(k)))


def _waves(positions: Tensor, box: Indices, dtype: torch.dtype) -> list[Tensor]:
    """Return the three factors of exp(2πi h·x), complex (…, n₁), (…, n₂), (…, n₃), for positions (…, 3)."""
    # In float64: at h = 20, a float32 product would lose two of its seven digits.
    angles = [2 * math.pi * positions[..., axis, None].double() * index.double() for axis, index in enumerate(box)]
    return [torch.polar(torch.ones_like(angle), angle).to(dtype.to_complex()) for angle in angles]


def _sum_over_elements(
    lattice: Tensor, numbers: Tensor, positions: Tensor, box: Indices, scattering: Scattering
) -> Tensor:
    # Form factors depend on the element and s only, so there is one geometric sum for each element in a crystal.
    elements, inverse = torch.unique(numbers, return_inverse=True)
    present = torch.zeros(len(numbers), len(elements), dtype=torch.bool, device=numbers.device)
    present.scatter_(1, inverse, torch.ones_like(inverse, dtype=torch.bool))
    present &= elements > 0
    crystal, element = present.nonzero(as_tuple=True)
    weights = (numbers[crystal] == elements[element, None]).to(lattice.dtype)
    geometric = geometric_sum(with_occupancy(weights, scattering[crystal]), positions[crystal], box)
    probes = scattering.probes(numbers)[crystal, 0]
    factors = form_factors(elements[element], probes, inverse_d_squared(lattice, *box)[crystal])
    result = geometric.new_zeros((len(lattice), *geometric.shape[1:]))
    return result.index_add_(0, crystal, geometric * factors)


def _sum_over_atoms(
    lattice: Tensor,
    numbers: Tensor,
    positions: Tensor,
    box: Indices,
    scattering: Scattering,
    u_iso: Tensor,
) -> Tensor:
    # Atoms with displacements of their own share no factors. Padding is left out, so the largest crystal does not set
    # the time of the others.
    crystal, atom = (numbers > 0).nonzero(as_tuple=True)
    square = inverse_d_squared(lattice, *box)
    kinds = torch.stack((crystal, scattering.probes(numbers)[crystal, atom], numbers[crystal, atom]))
    (owner, probe, element), kind = kinds.unique(dim=1, return_inverse=True)
    at_rest = form_factors(element, probe, square[owner])
    u_iso = u_iso[crystal, atom]
    weights = with_occupancy(torch.ones_like(numbers, dtype=lattice.dtype), scattering)[crystal, atom]
    result = torch.zeros_like(square, dtype=lattice.dtype.to_complex())
    atoms_at_once = max(1, _FACTORS_AT_ONCE // square[0].numel())
    for some in torch.arange(len(crystal), device=crystal.device).split(atoms_at_once):
        which = crystal[some]
        in_h, in_k, in_l = _waves(positions[which, atom[some]], box, lattice.dtype)
        in_hk = (weights[some, None] * in_h)[:, :, None] * in_k[:, None, :]
        factors = at_rest[kind[some]] * debye_waller(u_iso[some], square[which])
        result.index_add_(0, which, in_hk[..., None] * (factors * in_l[:, None, None, :]))
    return result
