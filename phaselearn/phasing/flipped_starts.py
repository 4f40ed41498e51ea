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
    Fine data have enough reflections for flipping to solve the crystal: there, all starts are searches.

    Attributes:
        method: charge flipping; single runs use its thresholds in turn.
        plan: the search of the first start.
        iterations: cycles of a single run.
        fine: a resolution in Å: data are fine if most of their reflections are finer; None if no data are.
        thorough: charge flipping of the further searches of fine data, taken in turn.
    """

    method: ChargeFlipping
    plan: SearchPlan
    iterations: int
    fine: float | None = None
    thorough: Sequence[ChargeFlipping] = ()

    def __call__(self, observed: Observed, crystals: Sequence[int], seed: int, numbers: range) -> Solution:
        """Return the trial phases; see `phaselearn.phasing.starts.Starts`."""
        each = [self._one(observed, crystals, seed, number) for number in numbers]
        return Solution(torch.stack(each, 1).flatten(0, 1))

    def _one(self, observed: Observed, crystals: Sequence[int], seed: int, number: int) -> Tensor:
        if number == 0:
            return search(observed, self.method, self.plan, seed, crystals).factors
        begun = observed.map_amplitude().to(torch.complex64)
        fine = observed.mask.new_zeros(len(observed)) if self.fine is None else observed.is_mostly_finer(self.fine)
        for chosen, phases in ((fine, self._searched_again), (~fine & (number > 1), self.once)):
            rows = chosen.nonzero()[:, 0]
            if len(rows):
                begun[rows] = phases(observed[rows], [crystals[row] for row in rows.tolist()], seed, number)
        return begun

    def _searched_again(self, observed: Observed, crystals: Sequence[int], seed: int, number: int) -> Tensor:
        method = self.thorough[(number - 1) % len(self.thorough)]
        return search(observed, method, self.plan, seed + number, crystals).factors

    def once(self, observed: Observed, crystals: Sequence[int], seed: int, number: int) -> Tensor:
        """Return the phases of a single run of flipping; `number` makes runs differ."""
        thresholds = self.method.thresholds
        turn = number % len(thresholds)
        method = replace(self.method, iterations=self.iterations, thresholds=(*thresholds[turn:], *thresholds[:turn]))
        return search(observed, method, replace(self.plan, restarts=1, rounds=1), seed + number, crystals).factors
