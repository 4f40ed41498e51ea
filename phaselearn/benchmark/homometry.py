"""Different crystals with nearly the same |F|: a limit that no method can beat.

Diffraction cannot tell two crystals with the same lattice and the same |F| apart. Such pairs are searched in a set of
crystals, in every setting of the axes that the common lattice allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from phaselearn.benchmark.fingerprints import alike, fingerprints, relative_s, sphere_shape
from phaselearn.crystal.alignment import align
from phaselearn.crystal.judgement import true_map_factors, with_phases_of
from phaselearn.crystal.layout import miller_box
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.data.pair_maps import pad_atoms
from phaselearn.data.structures import Crystal
from phaselearn.phasing.laue import rotations

_CANDIDATES = 0.98  # cosine of powder patterns below which |F| cannot agree
_METRIC_TOLERANCE = 0.03  # as a share of the largest element of the metric tensors
_LARGEST = 5.0  # largest s·V^(1/3) of the reflections that are compared: half a thousand, whatever the cell


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
    pairs = []
    for one, other in alike(patterns, patterns, _CANDIDATES):
        if one >= other:
            continue
        first, second = crystals[one], crystals[other]
        settings = _settings(first, second)
        if len(settings):
            r_factor, found = _closest(first, second, settings)
            if r_factor <= epsilon and found < correlation:
                pairs.append(HomometricPair(first.id, second.id, r_factor, found))
    return pairs


def _settings(first: Crystal, second: Crystal) -> np.ndarray:
    """Return the changes of axes (K, 3, 3) that bring the second lattice onto the first, up to scale.

    Their elements are −1, 0 and 1, which are all that reduced cells need. An inversion would not change |F|.
    """
    metrics = [crystal.lattice @ crystal.lattice.T for crystal in (first, second)]
    scaled = metrics[1] * (np.linalg.det(metrics[0]) / np.linalg.det(metrics[1])) ** (1 / 3)
    changes = np.concatenate((np.eye(3, dtype=int)[None], rotations().numpy()))
    changed = changes @ scaled @ changes.transpose(0, 2, 1)
    return changes[np.abs(changed - metrics[0]).max((1, 2)) <= _METRIC_TOLERANCE * metrics[0].max()]


def _closest(first: Crystal, second: Crystal, settings: np.ndarray) -> tuple[float, float]:
    """Return the least R of two crystals in all settings, and the map correlation in this setting."""
    turned = [(second.positions @ np.linalg.inv(change)) % 1.0 for change in settings]
    moved = [Crystal(second.id, first.lattice, second.numbers, place, second.prototype, 1) for place in turned]
    lattice, numbers, positions = pad_atoms([first, *moved])
    shape = sphere_shape(first.lattice, _LARGEST)
    factors = structure_factors(lattice, numbers, positions, miller_box(shape))
    mask = relative_s(lattice[:1], shape) <= _LARGEST
    mask[:, 0, 0, 0] = False
    amplitude = factors.abs() * mask
    r_factors = _r_factors(amplitude[0].flatten(), amplitude[1:].flatten(1))
    best = int(r_factors.argmin())
    observed = Observed(amplitude[:1], mask, lattice[:1])
    true = true_map_factors(observed, numbers[:1], positions[:1], "atomic_number")
    other = with_phases_of(observed.map_amplitude(), factors[1 + best : 2 + best])
    return float(r_factors[best]), float(align(other, true).correlation)


def _r_factors(one: Tensor, others: Tensor) -> Tensor:
    """Return Σ||F₁| − k|F₂|| / Σ|F₁|, (K,), of amplitudes (H,) and (K, H)."""
    scale = (one * others).sum(1) / others.square().sum(1).clamp_min(1e-12)
    return (one - scale[:, None] * others).abs().sum(1) / one.sum()
