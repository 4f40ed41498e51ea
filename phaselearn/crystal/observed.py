"""Fewer reflections than were measured: to a resolution, or to an index."""

from __future__ import annotations

import torch
from torch import Tensor

from phaselearn.crystal.judgement import Observed
from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import miller_indices
from phaselearn.phasing.measurement import resized


def within_resolution(observed: Observed, d_min: float) -> Tensor:
    """Return a bool mask (B, N, N, N) of the reflections with d ≥ d_min (Å), measured or not."""
    index = miller_indices("full", observed.mask.shape[-1]).to(observed.lattice.device)
    return inverse_d_squared(observed.lattice, index) <= (1 + torch.finfo(torch.float32).eps) / d_min**2


def cut(observed: Observed, d_min: float) -> Observed:
    """Leave out the reflections with d < d_min (Å)."""
    return _kept(observed, within_resolution(observed, d_min))


def cut_box(observed: Observed, largest: int) -> Observed:
    """Leave out the reflections with |h|, |k| or |l| above the largest: what a smaller FFT box would hold."""
    inside = miller_indices("full", observed.mask.shape[-1]).abs().to(observed.mask.device) <= largest
    return _kept(observed, inside[:, None, None] & inside[:, None] & inside)


def taken(observed: Observed, index: Tensor) -> Observed:
    """Return some crystals, in the order and as often as `index` (K,) names them."""
    return Observed(observed.amplitude[index], observed.mask[index], observed.lattice[index])


def crop(observed: Observed, size: int) -> Observed:
    """Return the same on FFT boxes of `size` voxels an axis, which hold all that is observed."""
    shape = (size, size, size)
    return Observed(resized(observed.amplitude, shape), resized(observed.mask, shape), observed.lattice)


def _kept(observed: Observed, kept: Tensor) -> Observed:
    mask = observed.mask & kept
    return Observed(observed.amplitude * mask, mask, observed.lattice)
