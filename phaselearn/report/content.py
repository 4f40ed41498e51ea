"""The crystals of a report as plain NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from phaselearn.files import file_stem
from phaselearn.report.comparison import Comparison, compare


@dataclass(frozen=True)
class ShownCrystal:
    """A test crystal with its true and predicted density, and how well they agree.

    Attributes:
        id: id in the store.
        formula: reduced formula.
        prototype: structure type.
        space_group: number in the International Tables.
        lattice: lattice vectors (3, 3), rows a, b, c in Å.
        numbers: atomic numbers (n,).
        positions: fractional coordinates (n, 3).
        pattern: measured intensities (N, N, N); unmeasured ones are zero.
        layout: layout of the pattern, `octant` or `full`.
        truth: true density (N, N, N) in electrons/Å³, voxel i at i/N, periodic.
        prediction: predicted density (N, N, N), moved to the origin and hand of the truth; its scale is the network's.
        correlation: map correlation, CC.
        correlation_floor: map correlation of the phase-zero map, CC₀.
        gain: (CC − CC₀)/(1 − CC₀).
        phase_error: phase error in degrees.
        solved: whether CC ≥ 0.90.
        strict: whether it is solved and its atoms are found.
        prototype_seen: whether training saw the structure type.
    """

    id: str
    formula: str
    prototype: str
    space_group: int
    lattice: np.ndarray
    numbers: np.ndarray
    positions: np.ndarray
    pattern: np.ndarray
    layout: str
    truth: np.ndarray
    prediction: np.ndarray
    correlation: float
    correlation_floor: float
    gain: float
    phase_error: float
    solved: bool
    strict: bool
    prototype_seen: bool

    @property
    def file_stem(self) -> str:
        """The beginning of the names of its files, which no other crystal of any source shares."""
        return file_stem(f"{self.formula}_{self.id}", self.lattice.tobytes(), self.positions.tobytes())

    @property
    def verdict(self) -> str:
        """The verdict in words."""
        if self.strict:
            return "solved, atoms found"
        return "solved" if self.solved else "not solved"

    @cached_property
    def comparison(self) -> Comparison:
        """Table 1 and the symmetry of the prediction."""
        return compare(self.lattice, self.numbers, self.positions, self.truth, self.prediction)
