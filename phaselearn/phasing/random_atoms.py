"""The atoms of a known composition, at random positions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


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
