"""Restarts of a phasing method until two agree, and the choice among them, without the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from phaselearn.crystal.alignment import align
from phaselearn.crystal.judgement import Observed
from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import miller_indices
from phaselearn.phasing.figures_of_merit import r_factor
from phaselearn.phasing.measurement import Measurement
from phaselearn.phasing.starts import random_start

_FINEST = 1.5  # 1/Å; beyond, the blur of B = 4 Å² leaves a tenth or less of |F|
_SIZES = (8, 10, 12, 14, 16, 18, 20, 24, 28, 30, 32, 36, 40, 48, 60, 64, 80)

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
        oversampling: voxels along an axis for each reflection along it, −h … h; at most twice the data's grid.
        crystals_at_once: crystals phased together; small batches stay in a processor's cache, a GPU wants
            large ones.
    """

    restarts: int
    rounds: int
    agreement: float
    density_share: float
    oversampling: float
    crystals_at_once: int


@dataclass(frozen=True)
class Solution:
    """The best phases found.

    Attributes:
        factors: FFT boxes (B, N, N, N) of the map amplitudes with the phases found.
        r_factor: (B,) of the chosen restart.
        agreement: (B,) highest map correlation of the chosen restart with another, 0 if there was no other.
        restarts: (B,) how many were run.
    """

    factors: Tensor
    r_factor: Tensor
    agreement: Tensor
    restarts: Tensor


def search(observed: Observed, method: Method, plan: SearchPlan, seed: int, crystals: Sequence[int]) -> Solution:
    """Phase a batch of crystals.

    Args:
        observed: of the crystals.
        method: runs all its iterations on starting half boxes; told the number of the round.
        plan: how long to search.
        seed: of the starting phases.
        crystals: (B,) the number of each crystal for its starting phases, the row in its store.
    """
    sizes = torch.tensor(grid_sizes(observed, plan.oversampling))
    parts, order = [], []
    for size in sizes.unique().tolist():
        for rows in (sizes == size).nonzero()[:, 0].split(plan.crystals_at_once):
            there = rows.to(observed.mask.device)
            chosen = Observed(observed.amplitude[there], observed.mask[there], observed.lattice[there])
            measurement = Measurement.of(chosen, size)
            parts.append(_search_together(measurement, method, plan, seed, [crystals[row] for row in rows.tolist()]))
            order.append(there)
    back = torch.cat(order).argsort()
    return Solution(*(torch.cat([getattr(part, name) for part in parts])[back] for name in Solution.__annotations__))


def grid_sizes(observed: Observed, oversampling: float) -> list[int]:
    """Return (B,) the voxels along an axis that each crystal is phased on.

    The largest index decides among the reflections of which the blur leaves something. Sizes are those that FFTs are
    quick for.
    """
    box = observed.mask.shape[-1]
    index = miller_indices("full", box).to(observed.mask.device)
    strong = observed.mask & (inverse_d_squared(observed.lattice, index) < _FINEST**2)
    along = [strong.movedim(axis, 1).flatten(2).any(2) for axis in (1, 2, 3)]
    largest = torch.stack([(held * index.abs()).amax(1) for held in along], 1).amax(1)
    wanted = (oversampling * (2 * largest + 1)).tolist()
    allowed = [size for size in _SIZES if size <= 2 * box]
    return [next((size for size in allowed if size >= number), allowed[-1]) for number in wanted]


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
        numbers = [round_number * plan.restarts + restart for restart in range(plan.restarts)] * len(unfinished)
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
    return Solution(measurement.full_box(best), figure, agreement, run)


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
