"""Merged reflections by resolution: how far the data reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phaselearn.measured.cells import inverse_d_squared
from phaselearn.measured.centring import conditions_of
from phaselearn.measured.merging import Merged
from phaselearn.measured.possible import possible_reflections

_COUNT = 10
_FEWEST = 20  # reflections of a shell
_LEAST_SIGNIFICANCE = 1.0  # mean I/σ of the outermost shells that still say something


@dataclass(frozen=True)
class Shell:
    """Reflections between two resolutions.

    Attributes:
        d_max, d_min: the resolutions in Å.
        unique: number of unique reflections.
        completeness: share of those possible that were measured.
        redundancy: measurements of a unique reflection, on average.
        mean_i_over_sigma: mean of ⟨I⟩/σ.
        significant: share with I > 3σ.
    """

    d_max: float
    d_min: float
    unique: int
    completeness: float
    redundancy: float
    mean_i_over_sigma: float
    significant: float


def shells(merged: Merged, count: int = _COUNT) -> list[Shell]:
    """Return shells of about equally many unique reflections, the one of lowest resolution first.

    Args:
        merged: unique reflections.
        count: number of shells; fewer for data of fewer than 20 reflections a shell.
    """
    spacing = 1 / np.sqrt(inverse_d_squared(merged.hkl, merged.cell))
    order = np.argsort(-spacing, kind="stable")
    parts = np.array_split(order, max(1, min(count, len(order) // _FEWEST)))
    conditions = conditions_of(merged.hkl)
    possible = [possible_reflections(merged.cell, float(spacing[p[-1]]), merged.rotations, conditions) for p in parts]
    outer = float(spacing[order[0]])
    found = []
    for part, more, before in zip(parts, possible, [0, *possible], strict=False):
        ratio = merged.intensity[part] / merged.sigma[part]
        inner = float(spacing[part[-1]])
        found.append(
            Shell(
                d_max=outer,
                d_min=inner,
                unique=len(part),
                completeness=min(1.0, len(part) / max(1, more - before)),
                redundancy=float(merged.multiplicity[part].mean()),
                mean_i_over_sigma=float(ratio.mean()),
                significant=float((ratio > 3).mean()),
            )
        )
        outer = inner
    return found


def useful_resolution(merged: Merged) -> float:
    """Return the resolution in Å up to which the data say something: where mean I/σ falls below 1 for good."""
    table = shells(merged)
    while len(table) > 1 and table[-1].mean_i_over_sigma < _LEAST_SIGNIFICANCE:
        table.pop()
    return table[-1].d_min
