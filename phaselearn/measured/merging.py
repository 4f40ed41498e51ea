"""Equivalent reflections merged under a group, and how well they agreed.

Means are weighted with 1/σ², and σ of a mean is (Σ 1/σ²)^−½. With n measurements I of a unique reflection of mean ⟨I⟩:
R_int = Σ|I − ⟨I⟩| / ΣI over reflections with n > 1, and R_pim has (n − 1)^−½ before each |I − ⟨I⟩| (Weiss, J. Appl.
Cryst. 34 (2001) 130). CC½ is computed from variances, so that no chance divides the data (Assmann, Brehm & Diederichs,
J. Appl. Cryst. 49 (2016) 1021).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.cells import Cell, inverse_d_squared
from phaselearn.measured.centring import conditions_of
from phaselearn.measured.outliers import sound_measurements
from phaselearn.measured.possible import possible_reflections
from phaselearn.measured.reflection_data import ReflectionData

Indices = NDArray[np.int32]
Values = NDArray[np.float64]
Rotations = NDArray[np.int64]

_BASE = 1 << 20  # of the number that stands for three indices; larger than twice any index; three fit into 64 bits
_WEIGHTS = np.array([1, _BASE, _BASE**2], dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class MergingStatistics:
    """Agreement and extent of merged reflections. A figure is NaN where no reflection was measured twice.

    Attributes:
        r_int: agreement of equivalents, Σ|I − ⟨I⟩| / ΣI.
        r_pim: the same of the means, which many measurements improve.
        cc_half: correlation of the means of two random halves of the data.
        completeness: share of the unique reflections up to d_min that were measured, of those that the centring allows.
        redundancy: measurements of a unique reflection, on average.
        mean_i_over_sigma: mean of ⟨I⟩/σ.
        d_min, d_max: range of resolution in Å.
        measured, unique, repeated: number of measurements, of unique reflections, and of those measured more than once.
        rejected: number of outliers, which are not among the measurements.
    """

    r_int: float
    r_pim: float
    cc_half: float
    completeness: float
    redundancy: float
    mean_i_over_sigma: float
    d_min: float
    d_max: float
    measured: int
    unique: int
    repeated: int
    rejected: int


@dataclass(frozen=True, kw_only=True)
class Merged:
    """Unique reflections under a group, each in one place.

    Attributes:
        hkl: indices (M, 3), of each orbit the greatest in the order l, k, h.
        intensity: ⟨I⟩ (M,).
        sigma: standard uncertainty (M,) of ⟨I⟩.
        multiplicity: number of measurements (M,).
        rotations: the group (R, 3, 3) as whole numbers, the inversion −1 included where Friedel mates were merged. Its
            matrices act on fractional coordinates as x' = R x, and on indices as rows: h' = h R.
        cell: a, b, c in Å, α, β, γ in degrees.
        statistics: agreement and extent.
    """

    hkl: Indices
    intensity: Values
    sigma: Values
    multiplicity: NDArray[np.int64]
    rotations: Rotations
    cell: Cell
    statistics: MergingStatistics

    def __len__(self) -> int:
        """Return the number of unique reflections."""
        return len(self.hkl)


def merge(data: ReflectionData, rotations: Rotations, reject: bool = True) -> Merged:
    """Merge reflections that a group makes equivalent.

    Args:
        data: measured reflections.
        rotations: (R, 3, 3) all matrices of the group. A Laue group merges Friedel mates; the point group of a space
            group without inversion keeps them apart.
        reject: leave out outliers. Where the group may be wrong its equivalents may well differ, and all of them should
            count.
    """
    measured = len(data)
    unique, owner, multiplicity = orbits(data.hkl, rotations)
    if reject:
        sound = sound_measurements(data, owner)
        data = replace(data, hkl=data.hkl[sound], intensity=data.intensity[sound], sigma=data.sigma[sound])
        owner, multiplicity = owner[sound], np.bincount(owner[sound])
    weight = 1 / np.square(data.sigma)
    total = np.bincount(owner, weight)
    mean = np.bincount(owner, weight * data.intensity) / total
    sigma = 1 / np.sqrt(total)
    statistics = _statistics(data, mean, sigma, owner, measured - len(data), rotations)
    return Merged(
        hkl=unique,
        intensity=mean,
        sigma=sigma,
        multiplicity=multiplicity,
        rotations=rotations,
        cell=data.experiment.cell,
        statistics=statistics,
    )


def expanded(merged: Merged) -> tuple[Indices, Values, Values]:
    """Return indices (N, 3), intensities (N,) and σ (N,) of all equivalents, each once: the data in P1."""
    count = len(merged.rotations)
    hkl = np.concatenate([merged.hkl @ rotation for rotation in merged.rotations])
    _, first = np.unique(code_of(hkl), return_index=True)
    owner = np.tile(np.arange(len(merged)), count)[first]
    return hkl[first].astype(np.int32), merged.intensity[owner], merged.sigma[owner]


def orbits(hkl: NDArray[np.integer], rotations: Rotations) -> tuple[Indices, NDArray[np.int64], NDArray[np.int64]]:
    """Return unique reflections (U, 3) of a list (M, 3), the place (M,) of each in them, and how many it has (U,)."""
    codes, owner, count = np.unique(_greatest(hkl, rotations), return_inverse=True, return_counts=True)
    return _decoded(codes), owner, count


def _statistics(
    data: ReflectionData, mean: Values, sigma: Values, owner: NDArray[np.int64], rejected: int, rotations: Rotations
) -> MergingStatistics:
    count = np.bincount(owner)
    repeated = count > 1
    deviation = np.bincount(owner, np.abs(data.intensity - mean[owner]))[repeated]
    total = np.bincount(owner, data.intensity)[repeated].sum()
    cell = data.experiment.cell
    square = inverse_d_squared(data.hkl, cell)
    d_min, d_max = (float(1 / np.sqrt(extreme)) for extreme in (square.max(), square.min()))
    possible = possible_reflections(cell, d_min, rotations, conditions_of(data.hkl))
    return MergingStatistics(
        r_int=_ratio(deviation.sum(), total),
        r_pim=_ratio((deviation / np.sqrt(count[repeated] - 1)).sum(), total),
        cc_half=_cc_half(data.intensity, owner),
        completeness=len(mean) / possible,
        redundancy=len(data) / len(mean),
        mean_i_over_sigma=float((mean / sigma).mean()),
        d_min=d_min,
        d_max=d_max,
        measured=len(data),
        unique=len(mean),
        repeated=int(repeated.sum()),
        rejected=rejected,
    )


def _cc_half(intensity: Values, owner: NDArray[np.int64]) -> float:
    """Return CC½ of the reflections that were measured more than once, from their variances; NaN below three."""
    count = np.bincount(owner)
    repeated = count > 1
    if repeated.sum() < 3:
        return float("nan")
    mean = np.bincount(owner, intensity) / count
    squares = np.bincount(owner, np.square(intensity - mean[owner]))
    # The variance of the mean of half of the measurements.
    error = (squares[repeated] / (count[repeated] - 1) / (count[repeated] / 2)).mean()
    spread = mean[repeated].var(ddof=1)
    return _ratio(spread - error / 2, spread + error / 2)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else float("nan")


def _greatest(hkl: NDArray[np.integer], rotations: Rotations) -> NDArray[np.int64]:
    """Return the greatest number (M,) among those of the equivalents of reflections (M, 3)."""
    indices = np.asarray(hkl, dtype=np.int64)
    greatest = code_of(indices)
    for rotation in rotations:
        np.maximum(greatest, indices @ (rotation @ _WEIGHTS), out=greatest)
    return greatest


def code_of(hkl: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return a number (M,) for each reflection (M, 3), ordered as l, then k, then h."""
    return np.asarray(hkl, dtype=np.int64) @ _WEIGHTS


def _decoded(codes: NDArray[np.int64]) -> Indices:
    half = _BASE // 2
    h = (codes + half) % _BASE - half
    rest = (codes - h) // _BASE
    k = (rest + half) % _BASE - half
    return np.stack((h, k, (rest - k) // _BASE), axis=1).astype(np.int32)
