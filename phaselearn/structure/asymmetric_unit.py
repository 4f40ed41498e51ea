"""Peaks of a map that has the symmetry of a group, as sites of its asymmetric unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from phaselearn.crystal.peaks import find_peaks
from phaselearn.structure.geometry import distances
from phaselearn.structure.sites import Site
from phaselearn.structure.space_group import SpaceGroup

SEPARATION = 0.95  # Å: no two atoms but hydrogen are closer
_SNAP = 0.8  # Å between a peak and its image, below which it lies on the element of symmetry between them
_PEAK_SEPARATION = 0.6  # Å


@dataclass(frozen=True, eq=False)
class SitePeak:
    """A site where a map has a peak, and the height of the peak in the unit of the map."""

    site: Site
    height: float


def site_peaks(
    density: NDArray[np.float64],
    group: SpaceGroup,
    lattice: NDArray[np.float64],
    count: int,
    taken: NDArray[np.float64] | None = None,
) -> list[SitePeak]:
    """Return the sites of the highest peaks, highest first, no two of them or of their images too close for atoms.

    Args:
        density: (n₁, n₂, n₃) of the whole cell.
        group: its symmetry.
        lattice: (3, 3), rows in Å.
        count: number of peaks in the cell that are looked at.
        taken: (K, 3) points of the cell that keep peaks away from them.
    """
    found = find_peaks(torch.from_numpy(density)[None], torch.from_numpy(lattice)[None], count, _PEAK_SEPARATION)
    heights, positions = found.heights[0].numpy(), found.positions[0].numpy()
    free = np.isfinite(heights) & (heights > 0)
    if taken is not None and len(taken):
        free &= (distances(positions[:, None] - taken, lattice) > SEPARATION).all(1)
    peaks = []
    for number in range(len(positions)):
        if not free[number]:
            continue
        site = Site.near(positions[number], group, lattice, _SNAP)
        images = site.images(group)
        to_itself = distances(images - site.position, lattice)
        if (to_itself[to_itself > 1e-2] < SEPARATION).any():
            continue  # half an atom here, half of one beside it
        rest = np.flatnonzero(free)
        rest = rest[rest >= number]
        free[rest] = (distances(positions[rest, None] - images, lattice) > SEPARATION).all(1)
        peaks.append(SitePeak(site, float(heights[number])))
    return peaks
