"""Different crystals with nearly the same |F|: a limit that no method can beat.

Diffraction cannot tell two crystals with the same lattice and the same |F| apart. Such pairs are searched in a set of
crystals, in every setting of the axes that the common lattice allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import torch
from torch import Tensor

from phaselearn.benchmark.fingerprints import DEFINITION, alike, amplitudes, fingerprints
from phaselearn.crystal.alignment import align
from phaselearn.crystal.judgement import true_map_factors, with_phases_of
from phaselearn.crystal.layout import inside_nyquist, miller_indices
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.data.pairs import pad_atoms
from phaselearn.data.structures import Crystal

_CANDIDATES = 0.98  # cosine of powder patterns below which |F| cannot agree
_METRIC_TOLERANCE = 0.03  # as a share of the largest element of the metric tensors


@dataclass(frozen=True)
class HomometricPair:
    """Two crystals of a set that diffraction can hardly tell apart.

    Attributes:
        first, second: ids of the crystals.
        r_factor: Σ||F₁| − k|F₂|| / Σ|F₁|.
        correlation: map correlation after the best shift and hand, with the amplitudes of the first.
    """

    first: str
    second: str
    r_factor: float
    correlation: float


def homometric_pairs(crystals: Sequence[Crystal], epsilon: float, correlation: float = 0.9) -> list[HomometricPair]:
    """Return the pairs of crystals whose |F| agree within ε although their maps do not.

    Args:
        crystals: the set, in reduced cells.
        epsilon: largest R of the two sets of amplitudes.
        correlation: map correlation from which two crystals count as one structure.
    """
    patterns = fingerprints(crystals)
    blocks = [amplitude for amplitude, _ in amplitudes(crystals)]
    amplitude = torch.cat(blocks) if blocks else torch.zeros(0, 10, 10, 10)
    pairs = []
    for first, second in alike(patterns, patterns, _CANDIDATES):
        if first >= second:
            continue
        setting, r_factor = _best_setting(crystals[first], crystals[second], amplitude[first], amplitude[second])
        if setting is not None and r_factor <= epsilon:
            found = _correlation(crystals[first], crystals[second], setting)
            if found < correlation:
                pairs.append(HomometricPair(crystals[first].id, crystals[second].id, r_factor, found))
    return pairs


def _best_setting(
    first: Crystal, second: Crystal, first_amplitude: Tensor, second_amplitude: Tensor
) -> tuple[np.ndarray | None, float]:
    """Return the change of axes that brings the |F| of the second closest to the first's, and the R that remains."""
    metrics = [crystal.lattice @ crystal.lattice.T for crystal in (first, second)]
    scaled = metrics[1] * (np.linalg.det(metrics[0]) / np.linalg.det(metrics[1])) ** (1 / 3)
    best, best_r = None, np.inf
    for operation in signed_permutations():
        changed = operation @ scaled @ operation.T
        if np.abs(changed - metrics[0]).max() > _METRIC_TOLERANCE * metrics[0].max():
            continue
        r_factor = _r_factor(first_amplitude, second_amplitude, operation)
        if r_factor < best_r:
            best, best_r = operation, r_factor
    return best, best_r


@cache
def signed_permutations() -> np.ndarray:
    """Return the signed permutations (48, 3, 3): the changes of axes that keep the shape of the box of reflections."""
    matrices = []
    for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        for signs in product((1, -1), repeat=3):
            matrix = np.zeros((3, 3), dtype=int)
            matrix[np.arange(3), order] = signs
            matrices.append(matrix)
    return np.stack(matrices)


def _r_factor(first: Tensor, second: Tensor, operation: np.ndarray) -> float:
    size = first.shape[-1]
    inside = inside_nyquist(size)
    inside[0, 0, 0] = False
    index = miller_indices("full", size)
    hkl = torch.stack(torch.meshgrid(index, index, index, indexing="ij"), -1)[inside]
    # New axes are operation @ old axes, and indices transform like the axes.
    moved = hkl @ torch.linalg.inv(torch.from_numpy(operation).double()).mT.round().long()
    one, other = first[inside], second[tuple(moved.T)]
    scale = (one * other).sum() / other.square().sum().clamp_min(1e-12)
    return float((one - scale * other).abs().sum() / one.sum())


def _correlation(first: Crystal, second: Crystal, operation: np.ndarray) -> float:
    turned = np.linalg.solve(operation.T.astype(float), second.positions.T).T % 1.0
    moved = Crystal(second.id, first.lattice, second.numbers, turned, second.prototype, second.space_group)
    lattice, numbers, positions = pad_atoms([first, moved])
    indices = miller_indices("full", DEFINITION.size)
    factors = structure_factors(lattice, numbers, positions, indices)
    mask = inside_nyquist(DEFINITION.size)[None]
    observed = Observed.from_intensity(factors[:1].abs().square(), mask, "full", lattice[:1])
    true = true_map_factors(observed, numbers[:1], positions[:1], "atomic_number")
    other = with_phases_of(observed.map_amplitude(), factors[1:])
    return float(align(other, true).correlation)
