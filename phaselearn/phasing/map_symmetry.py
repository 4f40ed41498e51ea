"""The symmetry of maps: phases are found in P1, so only right phases give a map the symmetry of its amplitudes."""

from __future__ import annotations

import torch
from torch import Tensor

from phaselearn.crystal.alignment import align
from phaselearn.crystal.judgement import with_phases_of
from phaselearn.crystal.layout import half_box, in_parts, shape_of
from phaselearn.crystal.observed import Observed
from phaselearn.phasing.figures_of_merit import likeness
from phaselearn.phasing.laue import at, equivalents, in_turn, laue_rotations


def symmetry_agreement(factors: Tensor, observed: Observed) -> Tensor:
    """Return (B,) how well maps repeat themselves under the rotations that leave the lattice and |F| as they are.

    The agreement is the map correlation of the map with its rotated copy, averaged over up to four of these rotations.
    The best shift and hand are found first, since a rotation of the Laue group belongs to the space group with or
    without inversion. Crystals whose amplitudes have no rotation get NaN. Sharp maps fall short of 1 by up to 0.1,
    because `likeness` interpolates between voxels.

    Args:
        factors: FFT boxes (B, n₁, n₂, n₃); only their phases count.
        observed: measured reflections of the same crystals.
    """
    amplitude = observed.map_amplitude()
    phased = with_phases_of(amplitude, factors)
    crystals, operations = laue_rotations(observed, amplitude)
    total, count = (torch.zeros(len(amplitude), device=amplitude.device) for _ in range(2))
    for rows, which in in_turn(crystals, operations, observed.shape):
        place, common = equivalents(observed.mask[rows], which)
        first = phased[rows] * common
        second = at(phased[rows], place) * common
        if len(rows):
            total.index_add_(0, rows, likeness(_fine_half(first), _fine_half(second)))
            count.index_add_(0, rows, torch.ones_like(rows, dtype=count.dtype))
    return total / count


def impose_symmetry(factors: Tensor, observed: Observed, least: float, passes: int) -> Tensor:
    """Average maps with their copies under the rotations that |F| shows, wherever a copy fits.

    This reduces phase errors that lack the symmetry, as averaging of equivalent regions does in density modification.
    No space group is needed: each rotated map is shifted to where it fits best, and is tried with and without
    inversion.

    Args:
        factors: FFT boxes (B S, n₁, n₂, n₃) of S maps of each crystal, which follow one another; only their phases
            count.
        observed: measured reflections of the B crystals.
        least: least map correlation at which a rotated map counts as a copy.
        passes: number of passes over the rotations of each crystal; the second rotates the maps that the first has
            improved.

    Returns:
        FFT boxes (B S, n₁, n₂, n₃) of the map amplitudes with the averaged phases.
    """
    starts = len(factors) // len(observed)
    amplitude = observed.map_amplitude()
    crystal = torch.arange(len(observed), device=amplitude.device).repeat_interleave(starts)
    result = with_phases_of(amplitude[crystal], factors) * observed.mask[crystal]
    if not passes:
        return result
    crystals, operations = laue_rotations(observed, amplitude)
    count = torch.bincount(crystals, minlength=len(observed))
    first = count.cumsum(0) - count
    for turn in list(range(int(count.amax()))) * passes:
        for rows in in_parts((count > turn)[crystal].nonzero()[:, 0], amplitude[0].numel()):
            of_crystal = crystal[rows]
            place, common = equivalents(observed.mask[of_crystal], operations[first[of_crystal] + turn])
            turned = at(result[rows], place) * common
            fit = align(turned, result[rows] * common)
            copies = (fit.correlation >= least)[:, None, None, None]
            both = with_phases_of(amplitude[of_crystal], result[rows] + fit.apply(turned))
            result[rows] = torch.where(copies, both, result[rows])
    return result


def _fine_half(box: Tensor) -> Tensor:
    """Return FFT boxes as half boxes of a grid that is 1.6 times as fine."""
    first, second, third = (8 * size // 10 * 2 for size in shape_of(box))
    return half_box(box, (first, second, third))
