"""Starts by charge flipping: a whole search, phase zero, and single runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from phaselearn.crystal.observed import Observed
from phaselearn.phasing.charge_flipping import ChargeFlipping
from phaselearn.phasing.search import SearchPlan, search
from phaselearn.phasing.solution import Solution


@dataclass(frozen=True, kw_only=True)
class FlippedStarts:
    """Trial phases by charge flipping.

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

    def __call__(self, observed: Observed, crystals: Sequence[int], seed: int, numbers: range) -> Solution:
        """Return the trial phases; see `phaselearn.phasing.starts.Starts`."""
        each = [self._one(observed, crystals, seed, number) for number in numbers]
        return Solution(torch.stack(each, 1).flatten(0, 1))

    def _one(self, observed: Observed, crystals: Sequence[int], seed: int, number: int) -> Tensor:
        if number == 0:
            return search(observed, self.method, self.plan, seed, crystals).factors
        if number == 1:
            return observed.map_amplitude().to(torch.complex64)
        return self.once(observed, crystals, seed, number)

    def once(self, observed: Observed, crystals: Sequence[int], seed: int, number: int) -> Tensor:
        """Return the phases of a single run of flipping; `number` makes runs differ."""
        thresholds = self.method.thresholds
        turn = number % len(thresholds)
        method = replace(self.method, iterations=self.iterations, thresholds=(*thresholds[turn:], *thresholds[:turn]))
        return search(observed, method, replace(self.plan, restarts=1, rounds=1), seed + number, crystals).factors
