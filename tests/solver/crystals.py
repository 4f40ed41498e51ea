"""Random triclinic crystals for the tests of the solver."""

from __future__ import annotations

import torch
from torch import Tensor

from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import miller_indices
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.structure_factors import structure_factors

SIZE = 16


def triclinic(count: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Return lattice (B, 3, 3) with edges of about 3 to 8 Å, numbers (B, 6) and positions (B, 6, 3)."""
    generator = torch.Generator().manual_seed(seed)
    edges = 3 + 5 * torch.rand(count, 3, generator=generator)
    lattice = torch.diag_embed(edges) + 0.8 * torch.rand(count, 3, 3, generator=generator).tril(-1)
    numbers = torch.randint(6, 40, (count, 6), generator=generator)
    return lattice, numbers, torch.rand(count, 6, 3, generator=generator)


def factors_of(lattice: Tensor, numbers: Tensor, positions: Tensor) -> Tensor:
    """Return structure factors on the FFT box (B, 16, 16, 16)."""
    return structure_factors(lattice, numbers, positions, miller_indices("full", SIZE))


def observed_to(d_min: float, lattice: Tensor, factors: Tensor) -> Observed:
    """Return the amplitudes of FFT boxes with d ≥ d_min (Å)."""
    index = miller_indices("full", SIZE)
    box = index.abs() * 2 < SIZE
    mask = inverse_d_squared(lattice, index) <= 1 / d_min**2
    mask = mask & box[:, None, None] & box[:, None] & box
    mask[:, 0, 0, 0] = False
    return Observed(factors.abs() * mask, mask, lattice)
