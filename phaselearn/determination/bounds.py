"""The cells and resolutions that a determination takes: memory grows with the cell over the cube of the resolution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from phaselearn.errors import UserError
from phaselearn.measured.cells import inverse_d_squared, volume
from phaselearn.measured.reflection_data import ReflectionData

LARGEST_CELL = 200_000.0  # Å³, with some 10,000 atoms
FINEST = 0.25  # Å, beyond what X-rays of silver or diffracted electrons show
_VOXELS = 1 << 22  # of the box of all reflections: a gigabyte or so for all that is computed on it


def within_bounds(data: ReflectionData) -> tuple[ReflectionData, tuple[str, ...]]:
    """Return the reflections that are used, and a note about those that are not.

    Raises:
        UserError: the cell is too large, or nothing was measured above zero.
    """
    cell = volume(data.experiment.cell)
    if cell > LARGEST_CELL:
        raise UserError(
            f"{data.source}: the cell has {cell:,.0f} Å³, and at most {LARGEST_CELL:,.0f} are taken: this is made for "
            "small structures, not for proteins; see that cell and file belong together"
        )
    if not np.any(data.intensity > 0):
        raise UserError(
            f"{data.source}: no intensity of {len(data):,} reflections is above 0: see that the column is that of the "
            "intensities"
        )
    finest = max(FINEST, (8 * cell / _VOXELS) ** (1 / 3))
    kept = inverse_d_squared(data.hkl, data.experiment.cell) <= 1 / finest**2
    if kept.all():
        return data, ()
    left = replace(data, hkl=data.hkl[kept], intensity=data.intensity[kept], sigma=data.sigma[kept])
    return left, (f"{np.sum(~kept):,} reflections beyond {finest:.2f} Å were left out",)
