"""Starts by several iterations in turn: what one never solves, another may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from phaselearn.crystal.observed import Observed
from phaselearn.phasing.search import Method, SearchPlan, search
from phaselearn.phasing.solution import Solution


@dataclass(frozen=True, kw_only=True)
class Restarts:
    """Searches by iterations such as charge flipping; each start is a whole search.

    The numbers of crystal and start decide which iteration it is, and seed its random phases.

    Attributes:
        methods: the iterations, taken in turn.
        plan: the length of a search.
    """

    methods: Sequence[Method]
    plan: SearchPlan

    def __call__(self, observed: Observed, crystals: Sequence[int], seed: int, numbers: range) -> Solution:
        """Return the trial phases; see `phaselearn.phasing.starts.Starts`."""
        names = torch.tensor(list(crystals))
        parts, places = [], []
        for place, number in enumerate(numbers):
            turn = (names + number) % len(self.methods)
            for which, method in enumerate(self.methods):
                rows = (turn == which).nonzero()[:, 0]
                if len(rows):
                    some = observed[rows.to(observed.mask.device)]
                    parts.append(search(some, method, self.plan, seed + number, names[rows].tolist()))
                    places.append(rows * len(numbers) + place)
        return Solution.gathered(parts, [rows.to(observed.mask.device) for rows in places])
