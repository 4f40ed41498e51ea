"""Vectors between atoms compared with vectors between the maxima of a map, as in Table 1 of the 2021 report.

Differences of positions do not depend on the origin. Each vector is taken with its negative, so that the hand does not
matter, either: |F| determines neither. Vectors are periodic, and the shortest of all images in the true metric counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from phaselearn.crystal.layout import Shape, shape_from
from phaselearn.crystal.minimum_image import minimum_image
from phaselearn.crystal.peaks import find_peaks, fourier_upsample

BRIGHTEST = 0.01  # share of the voxels; the report has 80 of 20³
MOST_ATOMS = 40  # they have 780 vectors

# F₂ at 20³ in the report, true → predicted, in voxels. The report lists five of the six vectors of four atoms, those of
# the pairs 12, 13, 14, 24 and 34. They imply the sixth, (3, 3, −3) → (1, 1, −1): two maxima on adjacent voxels.
REPORT_F2 = (
    ((6, 6, 9), (7, 7, 8)),
    ((9, 9, 6), (8, 8, 7)),
    ((15, 15, 15), (15, 15, 15)),
    ((9, 9, 6), (8, 8, 7)),
    ((6, 6, 9), (7, 7, 8)),
)


@dataclass(frozen=True)
class VectorTable:
    """The n(n − 1)/2 vectors between n atoms, shortest first, each with the predicted vector matched to it.

    Attributes:
        true: (P, 3) true vectors in voxels, the shortest image of each.
        predicted: (P, 3) predicted vectors in voxels, in the sign and image nearest to the true one; NaN where there
            is none, because the map has fewer maxima than there are atoms.
        deviation: (P,) length of the difference in Å; NaN where there is no predicted vector.
    """

    true: np.ndarray
    predicted: np.ndarray
    deviation: np.ndarray

    @property
    def voxels(self) -> np.ndarray:
        """(P,) lengths of the differences in voxels."""
        return np.linalg.norm(self.predicted - self.true, axis=1)

    @property
    def matched(self) -> int:
        """The number of vectors to which a predicted one is matched."""
        return int(np.isfinite(self.deviation).sum())

    @property
    def within_a_voxel(self) -> int:
        """The number of vectors that are right to a voxel along each axis, as the report's are."""
        return int((np.abs(self.predicted - self.true).max(1, initial=0) <= 1).sum())

    @property
    def mean_deviation(self) -> float:
        """The mean deviation of the matched vectors in Å; NaN if none is matched."""
        return float(np.nanmean(self.deviation)) if self.matched else float("nan")

    @property
    def mean_voxels(self) -> float:
        """The mean deviation of the matched vectors in voxels; NaN if none is matched."""
        return float(np.nanmean(self.voxels)) if self.matched else float("nan")


def compare_vectors(
    atoms: np.ndarray, maxima: np.ndarray, lattice: np.ndarray, size: int | Shape
) -> VectorTable | None:
    """Match the vectors between maxima one to one to those between atoms, so that the sum of deviations is least.

    Vectors are matched, not atoms, as in the report: vectors that share a maximum may be matched to vectors that share
    no atom.

    Args:
        atoms: (n, 3) fractional positions of the atoms.
        maxima: (m, 3) fractional positions of the maxima.
        lattice: (3, 3), rows in Å.
        size: voxels n₁, n₂, n₃ of the map along the axes, or one number if they are equal.

    Returns:
        The table; None for fewer than two atoms, and for more than 40, whose list of vectors nobody would read.
    """
    if not 2 <= len(atoms) <= MOST_ATOMS:
        return None
    cell = torch.tensor(np.asarray(lattice), dtype=torch.float64)[None]
    true, length = _pair_vectors(atoms, cell)
    true = true[length.argsort()]
    predicted, _ = _pair_vectors(maxima, cell)
    # The vectors from the first atom to the second and back are one vector of the table.
    both = torch.stack((predicted, -predicted))[:, None] - true[None, :, None]
    moved, distance = minimum_image(both, cell)
    deviation, sign = distance.min(0)
    rows, columns = linear_sum_assignment(deviation.numpy())
    found = torch.full_like(true, torch.nan)
    found[rows] = true[rows] + moved[sign[rows, columns], rows, columns]
    matched = torch.full((len(true),), torch.nan, dtype=true.dtype)
    matched[rows] = deviation[rows, columns]
    voxels = true.new_tensor(shape_from(size))
    return VectorTable((true * voxels).numpy(), (found * voxels).numpy(), matched.numpy())


def _pair_vectors(points: np.ndarray, lattice: Tensor) -> tuple[Tensor, Tensor]:
    """Return the fractional vectors (P, 3) of all pairs, each as its shortest image, and their lengths (P,) in Å."""
    places = torch.tensor(np.asarray(points), dtype=torch.float64)
    first, second = torch.triu_indices(len(places), len(places), offset=1)
    vectors, lengths = minimum_image((places[second] - places[first])[None, :, None], lattice)
    return vectors[0, :, 0], lengths[0, :, 0]


def brightest_maxima(density: np.ndarray, count: int, share: float = BRIGHTEST) -> np.ndarray:
    """Find maxima as the report does: among the most intense voxels, those that touch are one maximum.

    Voxels touch through faces, edges and corners, across the faces of the cell as well.

    Args:
        density: (n₁, n₂, n₃) periodic map.
        count: number of maxima wanted; the highest are taken.
        share: share of the voxels that count as the most intense; at least `count` voxels do.

    Returns:
        (m, 3) fractional positions, m ≤ `count`: the highest voxel of each maximum, as in the report.
    """
    size = np.array(density.shape)
    brightest = np.argsort(-density, axis=None, kind="stable")[: max(count, round(share * density.size))]
    voxels = np.stack(np.unravel_index(brightest, density.shape), -1)
    steps = np.abs(voxels[:, None] - voxels[None])
    touching = (np.minimum(steps, size - steps) <= 1).all(-1)
    _, group = connected_components(touching, directed=False)
    # Voxels are sorted from high to low, so the first of a group is its highest.
    _, first = np.unique(group, return_index=True)
    return voxels[np.sort(first)[:count]] / size


def highest_peaks(density: np.ndarray, lattice: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the highest peaks of a map, between the voxels of the map interpolated to twice its size.

    Args:
        density: (n₁, n₂, n₃) periodic map.
        lattice: (3, 3), rows in Å.
        count: number of peaks wanted.

    Returns:
        Fractional positions (m, 3) and heights (m,) in the map's unit, m ≤ `count`, from high to low.
    """
    cell = torch.tensor(np.asarray(lattice), dtype=torch.float64)[None]
    fine = fourier_upsample(torch.tensor(np.asarray(density), dtype=torch.float64)[None], 2)
    peaks = find_peaks(fine, cell, count)
    present = torch.isfinite(peaks.heights[0])
    return peaks.positions[0, present].numpy(), peaks.heights[0, present].numpy()
