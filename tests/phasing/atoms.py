"""Crystals of atoms that do not overlap, rough phases for them, and a refinement, for tests."""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import Tensor

from phaselearn.crystal.alignment import align
from phaselearn.crystal.judgement import true_map_factors, with_phases_of
from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import inside_nyquist, miller_indices
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.phasing.refinement import AtomLimits, Refinement
from phaselearn.phasing.reflections import ReflectionList

SIZE = 14
LIMITS = AtomLimits(weakest=0.08, faintest=0.02, significance=4.0, separation=1.3, closest=1.0, volume=9.0, most=20)
REFINEMENT = Refinement(
    atoms=LIMITS,
    reflections_per_atom=[8, 5],
    steps=20,
    reflections_per_b=15,
    enough=7.0,
    largest_r=0.2,
    composition_rounds=0,
)


def crystals(count: int = 3, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Return lattice, numbers (B, 6) and positions of atoms that are some 2.5 Å or more apart."""
    generator = torch.Generator().manual_seed(seed)
    lattice = torch.diag_embed(6.5 + torch.rand(count, 3, generator=generator))
    lattice = lattice + torch.rand(count, 3, 3, generator=generator).tril(-1)
    corners = torch.tensor(list(product((0.0, 0.5), repeat=3)))[1:7]
    positions = corners + 0.15 * torch.rand(count, 6, 3, generator=generator)
    return lattice, torch.randint(10, 40, (count, 6), generator=generator), positions


def observed_to(d_min: float, lattice: Tensor, numbers: Tensor, positions: Tensor) -> Observed:
    index = miller_indices("full", SIZE)
    factors = structure_factors(lattice, numbers, positions, index)
    mask = (inverse_d_squared(lattice, index) <= 1 / d_min**2) & inside_nyquist(SIZE, lattice.device)
    mask[:, 0, 0, 0] = False
    return Observed(factors.abs() * mask, mask, lattice)


def correlation(factors: Tensor, observed: Observed, numbers: Tensor, positions: Tensor) -> Tensor:
    true = true_map_factors(observed, numbers, positions, "atomic_number")
    return align(with_phases_of(observed.map_amplitude(), factors), true).correlation


def disturbed(observed: Observed, numbers: Tensor, positions: Tensor, degrees: float) -> Tensor:
    """Return the true phases of maps with errors of their own."""
    true = true_map_factors(observed, numbers, positions, "atomic_number")
    generator = torch.Generator().manual_seed(1)
    reflections = ReflectionList.of(observed)
    angle = math.radians(degrees) * torch.randn(reflections.amplitude.shape, generator=generator)
    return reflections.boxes(reflections.values(true) * torch.polar(torch.ones_like(angle), angle))
