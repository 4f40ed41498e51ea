"""Fingerprints of |F| that do not depend on the setting of the cell: powder patterns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from phaselearn.crystal.lattice import inverse_d_squared, volume
from phaselearn.crystal.layout import inside_nyquist, miller_indices
from phaselearn.data.pairs import PairDefinition, make_pairs, pad_atoms
from phaselearn.data.structures import Crystal

_CRYSTALS_AT_ONCE = 64
_BINS = 96
_LARGEST = 3.0  # largest s·V^(1/3), which a 10³ box holds for all but very long cells
DEFINITION = PairDefinition(10, "full", "atomic_number", 0.0, "atomic_number", 0.225, "fractional", "band_limited")


def amplitudes(crystals: Sequence[Crystal]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield |F| (B, 10, 10, 10) float32 and lattices (B, 3, 3) in Å, block by block in the order of the crystals."""
    for start in range(0, len(crystals), _CRYSTALS_AT_ONCE):
        lattice, numbers, positions = pad_atoms(crystals[start : start + _CRYSTALS_AT_ONCE])
        intensity, _ = make_pairs(lattice.float(), numbers, positions, DEFINITION)
        yield intensity.sqrt(), lattice.float()


def fingerprints(crystals: Sequence[Crystal]) -> np.ndarray:
    """Return the powder patterns on the axis s·V^(1/3), as unit vectors (n, 96).

    The axis does not change when a cell grows isotropically, so a crystal has like patterns at different temperatures.
    """
    blocks = [_powder(amplitude, lattice) for amplitude, lattice in amplitudes(crystals)]
    return torch.cat(blocks).numpy() if blocks else np.zeros((0, _BINS), np.float32)


def _powder(amplitude: Tensor, lattice: Tensor) -> Tensor:
    size = amplitude.shape[-1]
    place = inverse_d_squared(lattice, miller_indices("full", size)).sqrt()
    place = place * volume(lattice)[:, None, None, None] ** (1 / 3) / _LARGEST * _BINS
    inside = inside_nyquist(size) & (place < _BINS - 1)
    inside[:, 0, 0, 0] = False
    weight = (amplitude.square() * inside).flatten(1)
    low = place.clamp_max(_BINS - 2).long().flatten(1)
    share = place.flatten(1) - low
    # Two bins share each line, so that a line near their border does not jump from one to the other.
    pattern = torch.zeros(len(amplitude), _BINS)
    pattern.scatter_add_(1, low, weight * (1 - share).clamp(0, 1))
    pattern.scatter_add_(1, low + 1, weight * share.clamp(0, 1))
    # With square roots, weak lines count, too.
    pattern = pattern.sqrt()
    return pattern / pattern.norm(dim=1, keepdim=True).clamp_min(1e-12)


def alike(first: np.ndarray, second: np.ndarray, similarity: float) -> Iterator[tuple[int, int]]:
    """Yield the pairs (row of first, row of second) of fingerprints with a cosine of at least `similarity`."""
    for start in range(0, len(first), 1024):
        cosine = first[start : start + 1024] @ second.T
        for row, column in zip(*np.nonzero(cosine >= similarity), strict=True):
            yield start + int(row), int(column)
