"""Phases of crystals again and again, by several iterations in turn: what one never solves, another may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phaselearn.crystal.observed import Observed
from phaselearn.phasing.search import Method, SearchPlan, search
from phaselearn.phasing.solution import Solution


@dataclass(frozen=True, kw_only=True)
class Restarts:
    """Searches of one crystal; the number of a search decides its iteration and seeds its trial phases.

    Attributes:
        methods: the iterations, such as charge flipping.
        plan: the length of a search.
        seed: seed of the trial phases.
    """

    methods: Sequence[Method]
    plan: SearchPlan
    seed: int

    def solve(self, observed: Observed, crystals: Sequence[int]) -> Solution:
        """Phase a crystal.

        Args:
            observed: reflections of one crystal.
            crystals: (1,) the number of the search, 0, 1, …
        """
        [number] = crystals
        return search(observed, self.methods[number % len(self.methods)], self.plan, self.seed, [number])
