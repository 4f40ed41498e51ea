"""Measurements that their equivalents contradict: a shadow of the beam stop, a neighbour's reflection, a cosmic ray.

A shadowed reflection is weak, so its σ is small, and in a mean with weights 1/σ² it outweighs all the others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.reflection_data import ReflectionData

_FEWEST = 3  # measurements, of which two can contradict one
_DEVIATIONS = 5.0
_RELATIVE_ERROR = 0.1  # of an intensity, by absorption and scaling, that σ does not state


def sound_measurements(data: ReflectionData, owner: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which measurements (M,) are not outliers.

    An outlier lies more than five standard uncertainties from the median of at least three measurements. The
    uncertainty is its own σ, the median σ, and a tenth of the median intensity, in quadrature. Where half of the
    measurements are so far away, nobody knows which ones are right, and all of them stay.

    Args:
        data: measured reflections.
        owner: the unique reflection (M,) of each.
    """
    count = np.bincount(owner)
    middle, usual = (_medians(values, owner, count)[owner] for values in (data.intensity, data.sigma))
    variance = np.square(data.sigma) + np.square(usual) + np.square(_RELATIVE_ERROR * middle)
    far = np.square(data.intensity - middle) > _DEVIATIONS**2 * variance
    minority = 2 * np.bincount(owner, far) < count
    return ~(far & (minority & (count >= _FEWEST))[owner])


def _medians(values: NDArray[np.float64], owner: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the median (U,) of the values (M,) of each unique reflection."""
    ordered = values[np.lexsort((values, owner))]
    start = np.cumsum(count) - count
    return (ordered[start + (count - 1) // 2] + ordered[start + count // 2]) / 2
