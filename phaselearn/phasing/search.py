"""Restarts of a phasing method until two agree, and the choice among them, without the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from phaselearn.crystal.alignment import align
from phaselearn.phasing.figures_of_merit import r_factor
from phaselearn.phasing.measurement import Measurement
from phaselearn.phasing.starts import random_start

Method = Callable[[Tensor, Measurement, int], Tensor]


@dataclass(frozen=True)
class SearchPlan:
    """How long to search.

    Attributes:
        restarts: random starts of each crystal in a round.
        rounds: at most so many rounds; a crystal is finished after the one in which two of its restarts
            agree.
        agreement: map correlation from which two restarts are one solution.
        density_share: share of the voxels that hold density, for R.
        crystals_at_once: crystals phased together; small batches stay in a processor's cache, a GPU wants
            large ones.
    """

    restarts: int
    rounds: int
    agreement: float
    density_share: float
    crystals_at_once: int


@dataclass(frozen=True)
class Solution:
    """The best phases found.

    Attributes:
        factors: half boxes (B, N, N, N/2 + 1) with the measured amplitudes.
        r_factor: (B,) of the chosen restart.
        agreement: (B,) highest map correlation of the chosen restart with another, 0 if there was no other.
        restarts: (B,) how many were run.
    """

    factors: Tensor
    r_factor: Tensor
    agreement: Tensor
    restarts: Tensor


def search(
    measurement: Measurement, method: Method, plan: SearchPlan, seed: int, crystals: Sequence[int]
) -> Solution:
    """Phase a batch of crystals.

    Args:
        measurement: of the crystals.
        method: runs all its iterations on starting half boxes; told the number of the round.
        plan: how long to search.
        seed: of the starting phases.
        crystals: (B,) the number of each crystal for its starting phases, the row in its store.
    """
    parts = [
        _search_together(measurement.take(rows), method, plan, seed, [crystals[row] for row in rows.tolist()])
        for rows in torch.arange(len(measurement), device=measurement.amplitude.device).split(
            plan.crystals_at_once
        )
    ]
    return Solution(
        *(torch.cat([getattr(part, name) for part in parts]) for name in Solution.__annotations__)
    )


def _search_together(
    measurement: Measurement, method: Method, plan: SearchPlan, seed: int, crystals: Sequence[int]
) -> Solution:
    batch, device = len(measurement), measurement.amplitude.device
    best = torch.zeros_like(measurement.amplitude, dtype=torch.complex64)
    figure = torch.full((batch,), torch.inf, device=device)
    agreement = torch.zeros(batch, device=device)
    run = torch.zeros(batch, dtype=torch.long, device=device)
    unfinished = torch.arange(batch, device=device)
    for round_number in range(plan.rounds):
        trials = unfinished.repeat_interleave(plan.restarts)
        numbers = [round_number * plan.restarts + restart for restart in range(plan.restarts)] * len(
            unfinished
        )
        repeated = measurement.take(trials)
        start = random_start(repeated, seed, [crystals[row] for row in trials.tolist()], numbers)
        found = method(start, repeated, round_number)
        # The best of earlier rounds stands beside the restarts of this one.
        candidates = torch.cat((best[unfinished, None], found.unflatten(0, (-1, plan.restarts))), 1)
        figures = r_factor(found, repeated, plan.density_share).unflatten(0, (-1, plan.restarts))
        figures = torch.cat((figure[unfinished, None], figures.nan_to_num(torch.inf)), 1)
        chosen = figures.argmin(1)
        rows = torch.arange(len(unfinished), device=device)
        best[unfinished] = candidates[rows, chosen]
        figure[unfinished] = figures[rows, chosen]
        run[unfinished] += plan.restarts
        kept = chosen == 0
        agreed = _agreement(measurement.take(unfinished), candidates, chosen)
        agreement[unfinished] = torch.where(kept, torch.maximum(agreement[unfinished], agreed), agreed)
        unfinished = unfinished[agreement[unfinished] < plan.agreement]
        if not len(unfinished):
            break
    return Solution(best, figure, agreement, run)


def _agreement(measurement: Measurement, candidates: Tensor, chosen: Tensor) -> Tensor:
    """Return (B,) the highest map correlation of the chosen one of (B, K, …) candidates with any other."""
    count = candidates.shape[1]
    rows = torch.arange(len(candidates), device=candidates.device)
    reference = measurement.full_box(candidates[rows, chosen])
    correlations = []
    for place in range(count):
        other = measurement.full_box(candidates[:, place])
        correlation = align(other, reference).correlation
        correlations.append(torch.where(chosen == place, 0.0, correlation))
    return torch.stack(correlations, 1).amax(1)
