"""The atoms of a known composition, at random positions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def heaviest_atoms(numbers: Tensor, most: int | None = None) -> tuple[Tensor, Tensor]:
    """Return the atoms from heavy to light, hydrogen left out where there are others.

    Args:
        numbers: (B, K) atomic numbers, 0 for padding.
        most: largest number of atoms to keep; None for all.

    Returns:
        Atomic numbers (B, A), 0 for padding, and the places (B, A) in `numbers` that they were taken from.
    """
    light = (numbers == 1) & (numbers > 1).any(1, keepdim=True)
    heavy, place = (numbers * ~light).sort(dim=1, descending=True, stable=True)
    longest = max(1, int((heavy > 0).sum(1).max()))
    longest = longest if most is None else min(longest, most)
    return heavy[:, :longest], place[:, :longest]


def random_positions(atoms: int, seed: int, crystals: Sequence[int], numbers: Sequence[int]) -> Tensor:
    """Return fractional positions (B, A, 3), each uniform in the cell.

    Args:
        atoms: A.
        seed: seed of the whole run.
        crystals: (B,) a number for each crystal, its row in the store.
        numbers: (B,) the number of each start among those of its crystal.
    """
    draws = [
        # One atom more does not change those before it.
        np.random.default_rng([seed, crystal, number]).random((atoms, 3), dtype=np.float32)
        for crystal, number in zip(crystals, numbers, strict=True)
    ]
    return torch.from_numpy(np.stack(draws))
