"""Trial phases that charge flipping has found."""

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
    """Starts of a crystal that charge flipping has a hand in.

    The first is a whole search, restarts until two agree. The second has all phases zero: an easy crystal is nearly
    solved so. All further ones are single runs of flipping, which differ where the search was in doubt.

    Attributes:
        method: the flipping; its thresholds are gone through by single runs in turn.
        plan: of the search.
        iterations: of single runs.
    """

    method: ChargeFlipping
    plan: SearchPlan
    iterations: int

    def __call__(self, observed: Observed, crystals: Sequence[int], seed: int, start: int) -> Tensor:
        """Return FFT boxes (B, N, N, N) with the phases of one start of each crystal.

        Args:
            observed: of the crystals.
            crystals: (B,) a number for each, the row in its store.
            seed: of the random phases that flipping begins with.
            start: which of the starts.
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
