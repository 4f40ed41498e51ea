"""Where a trajectory begins: at the phases that a few cycles of charge flipping have found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from phaselearn.crystal.judgement import Observed
from phaselearn.phasing.charge_flipping import ChargeFlipping
from phaselearn.phasing.search import SearchPlan, search


@dataclass(frozen=True)
class FlippedStarts:
    """Charge flipping from random phases, another run of it for each start.

    Attributes:
        method: the flipping; start k begins with its threshold k, in turn.
        plan: how long it searches.
        share: of the crystals of a training batch that begin so, the others with random phases.
    """

    method: ChargeFlipping
    plan: SearchPlan
    share: float

    def __call__(self, observed: Observed, crystals: Sequence[int], seed: int, start: int) -> Tensor:
        """Return FFT boxes (B, N, N, N) with the phases of one start of each crystal.

        Args:
            observed: of the crystals.
            crystals: (B,) a number for each, the row in its store.
            seed: of the random phases that flipping begins with.
            start: which of the starts.
        """
        thresholds = self.method.thresholds
        turn = start % len(thresholds)
        method = replace(self.method, thresholds=(*thresholds[turn:], *thresholds[:turn]))
        return search(observed, method, self.plan, seed + start, crystals).factors
