"""Amplitudes of weak and negative intensities: French & Wilson, Acta Cryst. A34 (1978) 517.

An intensity is never negative, and intensities at one resolution are distributed as Wilson's statistics have it. With
that as the prior, the posterior of J = |F|² given a measured I ± σ is a normal distribution about I − σ²/Σ (acentric)
or I − σ²/2Σ (centric), cut off at zero, and in the centric case divided by √J. Σ is the mean intensity at that
resolution. In units of σ all moments depend on one number, h, the middle of that normal distribution:
E[|F|ⁿ] = σ^(n/2) · ∫ x^(n/2 + p − 1) exp(−(x − h)²/2) dx / ∫ x^(p − 1) exp(−(x − h)²/2) dx over x > 0, where p is 1 for
an acentric and ½ for a centric reflection.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.cells import inverse_d_squared
from phaselearn.measured.laue_classes import laue_class_of
from phaselearn.measured.merging import Merged, Rotations, Values

_SHELL = 100  # reflections whose mean intensity is the prior
_FEWEST_SHELLS = 3  # between which the mean is interpolated
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_REACH = 9.0  # standard deviations beyond which the normal distribution is nothing
_PART = 20_000  # reflections that are integrated at a time


@dataclass(frozen=True)
class Posterior:
    """Moments of the posterior, each (M,).

    Attributes:
        amplitude: mean of |F|; always positive.
        sigma: standard deviation of |F|.
        intensity: mean of |F|².
    """

    amplitude: Values
    sigma: Values
    intensity: Values


def amplitudes(merged: Merged, centric: NDArray[np.bool_] | None = None) -> tuple[Values, Values]:
    """Return |F| (M,) and σ(|F|) (M,) of merged reflections, posterior means and standard deviations.

    Args:
        merged: unique reflections.
        centric: bools (M,), True for centric reflections; None where it is not known whether the crystal has an
            inversion centre. Those that its proper rotations make centric are then taken for it.
    """
    if centric is None:
        centric = is_centric(merged.hkl, laue_class_of(merged.rotations).proper)
    found = posterior(merged.intensity, merged.sigma, mean_intensity(merged), centric)
    return found.amplitude, found.sigma


def posterior(intensity: Values, sigma: Values, mean: Values, centric: NDArray[np.bool_]) -> Posterior:
    """Return the posterior of intensities.

    Args:
        intensity: measured I (M,).
        sigma: standard uncertainty (M,), positive.
        mean: Wilson's Σ (M,), positive: the mean intensity at that resolution.
        centric: bools (M,), True for centric reflections.
    """
    power = np.where(centric, 0.5, 1.0)
    middle = intensity / sigma - power * sigma / mean
    parts = [
        _moments(middle[start : start + _PART], power[start : start + _PART])
        for start in range(0, max(1, len(middle)), _PART)
    ]
    first, second = (np.concatenate(some) for some in zip(*parts, strict=True))
    deviation = np.sqrt(np.maximum(second - np.square(first), 0))
    return Posterior(first * np.sqrt(sigma), deviation * np.sqrt(sigma), second * sigma)


def mean_intensity(merged: Merged) -> Values:
    """Return Wilson's Σ (M,): the mean intensity at the resolution of each reflection, interpolated between shells.

    Reflections that the group repeats less often count as often as they lie on the sphere of reflections.
    """
    square = inverse_d_squared(merged.hkl, merged.cell)
    copies = _copies(merged.hkl, merged.rotations)
    order = np.argsort(square, kind="stable")
    shells = np.array_split(order, max(1, min(len(order), max(_FEWEST_SHELLS, len(order) // _SHELL))))
    middles = np.array([np.average(square[shell], weights=copies[shell]) for shell in shells])
    means = np.array([np.average(merged.intensity[shell], weights=copies[shell]) for shell in shells])
    # A shell of noise alone still has some intensity: a part of its error.
    errors = [np.sqrt(np.square(merged.sigma[shell]).sum()) / len(shell) for shell in shells]
    return np.exp(np.interp(square, middles, np.log(np.maximum(means, errors))))


def is_centric(hkl: NDArray[np.integer], rotations: Rotations) -> NDArray[np.bool_]:
    """Return which reflections (M, 3) a rotation of the point group brings to −h: their phases have two values."""
    centric = np.zeros(len(hkl), dtype=bool)
    for rotation in rotations:
        centric |= (np.asarray(hkl, dtype=np.int64) @ rotation == -np.asarray(hkl)).all(1)
    return centric


def _copies(hkl: NDArray[np.integer], rotations: Rotations) -> Values:
    """Return how many different reflections (M,) a group makes of each."""
    indices = np.asarray(hkl, dtype=np.int64)
    fixing = sum((indices @ rotation == indices).all(1).astype(np.float64) for rotation in rotations)
    return len(rotations) / np.asarray(fixing)


def _moments(middle: Values, power: Values) -> tuple[Values, Values]:
    """Return E[√x] and E[x] (M,) of x^(p − 1) exp(−(x − h)²/2), x > 0, by Gauss's quadrature in y = √x.

    In y the integrands, y^(2p − 1 + n) exp(−(y² − h)²/2), are smooth at zero. They are nothing where y² is far above h,
    or, for a negative h, where |h| y² is large.
    """
    negative = np.minimum(middle, 0)
    farthest = np.maximum(middle, 0) + 2 * _REACH**2 / (np.hypot(negative, 2 * _REACH) - negative)
    upper = np.sqrt(farthest)
    lower = np.sqrt(np.maximum(middle - _REACH, 0))
    y = (lower + upper)[:, None] / 2 + (upper - lower)[:, None] / 2 * _NODES
    # Times exp(h²/2) where h is negative: else all would underflow.
    exponent = -np.square(np.square(y) - middle[:, None]) / 2 + np.square(negative)[:, None] / 2
    weight = _WEIGHTS * np.exp(exponent) * y ** (2 * power - 1)[:, None]
    total = weight.sum(1)
    return (weight * y).sum(1) / total, (weight * np.square(y)).sum(1) / total
