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

_SNAP = 0.8  # Å between a peak and its image, below which it lies on the element of symmetry between them
_PEAK_SEPARATION = 0.6  # Å
_ONE_PLACE = 1e-2  # Å, between a point and its image on the same element of symmetry


@dataclass(frozen=True, eq=False)
class SitePeak:
    """A site where a map has a peak, and the height of the peak in the unit of the map, below zero for a hole."""

    site: Site
    height: float


@dataclass(frozen=True)
class PeakSearch:
    """The rules for peaks.

    Attributes:
        count: number of peaks in the cell that are looked at.
        separation: least distance of two atoms in Å.
        both_signs: holes count as well as peaks: nuclei may scatter with either sign.
    """

    count: int
    separation: float
    both_signs: bool


def separation_of(probe: str) -> float:
    """Return the least distance of two atoms in Å: neutrons see hydrogen, 0.95 Å from oxygen, others do not."""
    return 0.85 if probe == "neutron" else 0.95


def site_peaks(
    density: NDArray[np.float64],
    group: SpaceGroup,
    lattice: NDArray[np.float64],
    search: PeakSearch,
    taken: NDArray[np.float64] | None = None,
) -> list[SitePeak]:
    """Return the sites of the highest peaks, highest first, no two of them or of their images too close for atoms.

    Args:
        density: (n₁, n₂, n₃) of the whole cell.
        group: its symmetry.
        lattice: (3, 3), rows in Å.
        search: rules for peaks.
        taken: (K, 3) points of the cell that keep peaks away from them.
    """
    positions, heights = _extrema(density, lattice, search)
    free = np.ones(len(heights), dtype=bool)
    if taken is not None and len(taken):
        free &= (distances(positions[:, None] - taken, lattice) > search.separation).all(1)
    peaks = []
    for number in range(len(positions)):
        if not free[number]:
            continue
        site = Site.near(positions[number], group, lattice, _SNAP)
        images = site.images(group)
        to_itself = distances(images - site.position, lattice)
        if (to_itself[to_itself > _ONE_PLACE] < search.separation).any():
            continue  # half an atom here, half of one beside it
        rest = number + np.flatnonzero(free[number:])
        free[rest] = (distances(positions[rest, None] - images, lattice) > search.separation).all(1)
        peaks.append(SitePeak(site, float(heights[number])))
    return peaks


def _extrema(
    density: NDArray[np.float64], lattice: NDArray[np.float64], search: PeakSearch
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return positions (K, 3) and heights (K,) of peaks, and of holes where these count, the largest first."""
    signs = (1, -1) if search.both_signs else (1,)
    maps = torch.from_numpy(np.stack([sign * density for sign in signs]))
    lattices = torch.from_numpy(lattice).expand(len(signs), 3, 3)
    found = find_peaks(maps, lattices, search.count, _PEAK_SEPARATION)
    heights, positions = found.heights.numpy(), found.positions.numpy()
    real = np.isfinite(heights) & (heights > 0)
    signed = (heights * np.array(signs)[:, None])[real]
    order = np.argsort(-np.abs(signed), kind="stable")
    return positions[real][order], signed[order]
