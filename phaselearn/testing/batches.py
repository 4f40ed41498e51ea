"""Small batches of random crystals, on which the contracts run."""

from __future__ import annotations

import torch
from torch import Tensor

from phaselearn.crystal.layout import Shape
from phaselearn.data.batch import Batch, crystals_of_batch
from phaselearn.data.pair_maps import make_pairs
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.preparation.observation import Observation
from phaselearn.data.preparation.preparation import measured_batch

DEFINITION = PairDefinition(10, "full", "atomic_number", 0.0, "atomic_number", 0.225, "fractional", "band_limited")


def small_batch(count: int = 3, seed: int = 0, definition: PairDefinition = DEFINITION) -> Batch:
    """Return small random orthorhombic crystals in float32.

    Args:
        count: B, the number of crystals.
        seed: seed of the cells and the atoms.
        definition: definition of the pairs.
    """
    generator = torch.Generator().manual_seed(seed)
    lattice = torch.diag_embed(4 + 3 * torch.rand(count, 3, generator=generator))
    return _batch_of(lattice, generator, definition)


def triclinic_batch() -> Batch:
    """Return three small random triclinic crystals in float64, on boxes of 8 × 10 × 12 in the full layout."""
    generator = torch.Generator().manual_seed(0)
    skew = torch.rand(3, 3, 3, generator=generator, dtype=torch.float64) - 0.5
    edges = torch.tensor([[4.0, 5.0, 6.0], [5.0, 5.5, 4.5], [6.5, 4.0, 5.0]], dtype=torch.float64)
    return _batch_of(torch.diag_embed(edges) + 2 * skew, generator, DEFINITION, (8, 10, 12))


def _batch_of(
    lattice: Tensor, generator: torch.Generator, definition: PairDefinition, shape: Shape | None = None
) -> Batch:
    """Return cells (B, 3, 3) with four random atoms each, measured completely and without noise."""
    count = len(lattice)
    numbers = torch.randint(5, 40, (count, 4), generator=generator)
    positions = torch.rand(count, 4, 3, generator=generator, dtype=lattice.dtype)
    intensity, density = make_pairs(lattice, numbers, positions, definition, shape)
    crystals = crystals_of_batch(
        lattice=lattice,
        atoms=(numbers, positions),
        prototype_seen=torch.zeros(count, dtype=torch.bool),
        row=torch.arange(count),
    )
    ideal = crystals | Batch(intensity=intensity, density=density, lattice=lattice)
    return measured_batch(ideal, Observation(), definition.layout, list(range(count)), "amplitude", "max")
