"""Trial phases found by charge flipping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from phaselearn.crystal.observed import Observed
from phaselearn.phasing.charge_flipping import ChargeFlipping
from phaselearn.phasing.search import SearchPlan, search


@dataclass(frozen=True, kw_only=True)
class FlippedStarts:
    """Several sets of trial phases for each crystal, by charge flipping.

    The first start is a whole search, with restarts until two agree. The second has all phases zero, which nearly
    solves an easy crystal. All further starts are single runs of flipping, which differ where the search was in doubt.

    Attributes:
        method: charge flipping; single runs use its thresholds in turn.
        plan: the search of the first start.
        iterations: cycles of a single run.
    """

    method: ChargeFlipping
    plan: SearchPlan
    iterations: int

    def __call__(self, observed: Observed, crystals: Sequence[int], seed: int, start: int) -> Tensor:
        """Return FFT boxes (B, n₁, n₂, n₃) with the phases of one start of each crystal.

        Args:
            observed: the crystals' reflections.
            crystals: (B,) a number for each crystal, its row in the store, which seeds its random phases.
            seed: seed of the random phases that flipping begins with.
            start: number of the start, from 0.
        """
        if start == 0:
            return search(observed, self.method, self.plan, seed, crystals).factors
        if start == 1:
            return observed.map_amplitude().to(torch.complex64)
        return self.once(observed, crystals, seed, start)

    def once(self, observed: Observed, crystals: Sequence[int], seed: int, number: int) -> Tensor:
        """Return the phases of a single run of flipping; `number` makes runs differ."""
        thresholds = self.method.thresholds
        turn = number % len(thresholds)
        method = replace(self.method, iterations=self.iterations, thresholds=(*thresholds[turn:], *thresholds[:turn]))
        return search(observed, method, replace(self.plan, restarts=1, rounds=1), seed + number, crystals).factors
