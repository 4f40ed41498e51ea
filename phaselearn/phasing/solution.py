"""The result of a phasing method: phases, and figures of merit that need no truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from phaselearn.crystal.observed import Observed
from phaselearn.crystal.rows import Rows


@dataclass(frozen=True)
class Solution(Rows):
    """Phases of a batch of crystals; figures of merit that a method does not have are None.

    Attributes:
        factors: FFT boxes (B, n₁, n₂, n₃) with the phases found.
        agreement: (B,) highest map correlation of the chosen restart with another, 0 if there was no other.
        cycles: (B,) cycles run until the crystal was finished, summed over its restarts.
        expected_correlation: (B,) map correlation with the truth that the method itself expects.
        evidence: (B,) evidence for the atoms whose phases these are (`Refined`); −∞ where they are not those of atoms
            that fit the amplitudes.
    """

    factors: Tensor
    agreement: Tensor | None = None
    cycles: Tensor | None = None
    expected_correlation: Tensor | None = None
    evidence: Tensor | None = None


@dataclass(frozen=True)
class Stage:
    """The state of a search over starts after some of them.

    Attributes:
        starts: the number of starts so far.
        solution: the best phases so far.
        ran: (B,) whether a crystal has had starts since the last stage.
    """

    starts: int
    solution: Solution
    ran: Tensor


@runtime_checkable
class StagedSolver(Protocol):
    """A solver that searches in stages; a benchmark reads the time and the result of each."""

    def stages(self, observed: Observed, crystals: Sequence[int]) -> Iterator[Stage]:
        """Yield the best phases so far again and again; the last ones are the result."""


@runtime_checkable
class Solver(Protocol):
    """A model that phases observations directly; a benchmark then reads its figures of merit."""

    def solve(self, observed: Observed, crystals: Sequence[int]) -> Solution:
        """Phase B crystals; `crystals` holds a number for each, which seeds its random starting phases."""


class TrialSolver(Protocol):
    """A solver whose trials can be asked for one by one."""

    def trial(self, observed: Observed, number: int) -> Solution:
        """Phase crystals with trial `number`, counted from 0, alone."""
