"""Starts by charge flipping: a short run each, or whole searches where the data are fine."""

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

    Each start is a short run. Atoms refined from it solve as many crystals as they do from a search that goes on until
    two runs agree, in half the time. Fine data have enough reflections for flipping to solve the crystal by itself:
    there, all starts are such searches.

    Attributes:
        method: charge flipping; the starts begin with its thresholds in turn.
        iterations: cycles of a short run.
        plan: the searches of fine data.
        fine: a resolution in Å: data are fine if most of their reflections are finer; None if no data are.
        thorough: charge flipping of the searches after the first, taken in turn.
    """

    method: ChargeFlipping
    iterations: int
    plan: SearchPlan
    fine: float | None = None
    thorough: Sequence[ChargeFlipping] = ()

    def __call__(self, observed: Observed, crystals: Sequence[int], seed: int, numbers: range) -> Solution:
        """Return the trial phases; see `phaselearn.phasing.starts.Starts`."""
        each = [self._one(observed, crystals, seed, number) for number in numbers]
        return Solution(torch.stack(each, 1).flatten(0, 1))

    def _one(self, observed: Observed, crystals: Sequence[int], seed: int, number: int) -> Tensor:
        factors = torch.zeros_like(observed.amplitude, dtype=torch.complex64)
        fine = observed.mask.new_zeros(len(observed)) if self.fine is None else observed.is_mostly_finer(self.fine)
        for chosen, phases in ((fine, self._searched), (~fine, self._run)):
            rows = chosen.nonzero()[:, 0]
            if len(rows):
                factors[rows] = phases(observed[rows], [crystals[row] for row in rows.tolist()], seed, number)
        return factors

    def _searched(self, observed: Observed, crystals: Sequence[int], seed: int, number: int) -> Tensor:
        method = self.thorough[(number - 1) % len(self.thorough)] if number else self.method
        return search(observed, method, self.plan, seed + number, crystals).factors

    def _run(self, observed: Observed, crystals: Sequence[int], seed: int, number: int) -> Tensor:
        thresholds = self.method.thresholds
        turn = number % len(thresholds)
        method = replace(self.method, iterations=self.iterations, thresholds=(*thresholds[turn:], *thresholds[:turn]))
        return search(observed, method, replace(self.plan, restarts=1, rounds=1), seed + number, crystals).factors
