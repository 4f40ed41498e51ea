"""Restarts of a phasing method until two agree, and the choice among them, without the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from phaselearn.crystal.layout import permuted, resized
from phaselearn.crystal.observed import Observed
from phaselearn.phasing.figures_of_merit import likeness, overlap, r_factor
from phaselearn.phasing.measurement import AmplitudeConstraint, Measurement
from phaselearn.phasing.projections import eliminate_low_density
from phaselearn.phasing.random_phases import random_start
from phaselearn.phasing.solution import Solution

_STRONG = 1.5  # 1/Å; beyond, the blur of B = 4 Å² leaves a tenth or less of |F|
_ORDINARY_GRID = 1 << 16  # voxels; on larger grids convergence is slower, so methods run proportionally more cycles
_FINEST_GRID = 2.0  # voxels for each reflection along an axis
_SIZES = (8, 10, 12, 14, 16, 18, 20, 24, 28, 30, 32, 36, 40, 48, 60, 64, 80)  # at which FFTs were measured to be quick


class Method(Protocol):
    """An iteration on half boxes (B, n₁, n₂, n₃/2 + 1), one for each trajectory; only their phases count."""

    @property
    def iterations(self) -> int:
        """The number of cycles."""

    def prolonged(self, factor: float) -> Method:
        """Return the same iteration with more cycles, by a factor of at least 1."""

    def constraint(self, measurement: Measurement) -> AmplitudeConstraint:
        """Return the constraint of the amplitudes on each cycle."""

    def advance(self, factors: Tensor, constraint: AmplitudeConstraint, round_number: int, cycles: range) -> Tensor:
        """Run some of the cycles 0 … iterations − 1."""


@dataclass(frozen=True, kw_only=True)
class Polishing:
    """Low-density elimination of phases before they are judged or chosen.

    Attributes:
        density_share: share of the voxels that hold density; R is computed with the same share.
        cycles: cycles at each check.
        final_cycles: further cycles for the phases that are chosen in the end.
    """

    density_share: float
    cycles: int
    final_cycles: int


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """The length of a search, and its checks.

    Attributes:
        restarts: random starts of each crystal in a round.
        rounds: largest number of rounds.
        check_every: cycles between two checks; at a check a copy of each trajectory is polished and judged by R.
        agreement: map correlation of two polished restarts from which a crystal is finished.
        settled: map correlation of a polished trajectory with its state at the previous check from which the
            trajectory ends: it has converged, to a solution or not.
        polishing: low-density elimination of phases before they are judged or chosen.
        oversampling: voxels along an axis for each reflection along it, −h … h; at most two.
        voxels_at_once: voxels of all trajectories phased together; a few hundred thousand fit into a processor's
            cache, and a GPU needs a hundred times as many.
    """

    restarts: int
    rounds: int
    check_every: int
    agreement: float
    settled: float
    polishing: Polishing
    oversampling: float
    voxels_at_once: int


def search(observed: Observed, method: Method, plan: SearchPlan, seed: int, crystals: Sequence[int]) -> Solution:
    """Phase a batch of crystals.

    Args:
        observed: the crystals' reflections.
        method: the iteration.
        plan: the length of the search.
        seed: seed of the starting phases.
        crystals: (B,) a number for each crystal, its row in the store, which seeds its starting phases.
    """
    order = observed.axis_order()
    shapes = grid_shapes(observed, plan.oversampling).gather(1, order)
    parts, places = [], []
    for shape in shapes.unique(dim=0):
        longer = method.prolonged(max(1.0, int(shape.prod()) / _ORDINARY_GRID))
        together = max(1, plan.voxels_at_once // (plan.restarts * int(shape.prod())))
        for rows in (shapes == shape).all(1).nonzero()[:, 0].split(together):
            measurement = Measurement.of(observed[rows].reordered(order[rows]), tuple(shape.tolist()))
            numbers = [crystals[row] for row in rows.tolist()]
            found = _Search(measurement, longer, plan, seed, numbers).run()
            factors = resized(permuted(found.factors, order[rows].argsort(1)), observed.shape)
            parts.append(replace(found, factors=factors))
            places.append(rows)
    return Solution.gathered(parts, places)


def grid_shapes(observed: Observed, oversampling: float) -> Tensor:
    """Return (B, 3) the number of voxels along each axis of the grid on which each crystal is phased.

    It follows from the largest index along the axis. Reflections that the blur nearly removes have a place on the grid,
    but do not make it finer. FFTs are quick at all of these sizes.
    """
    strong = observed.kept(observed.inverse_d_squared() < _STRONG**2)
    needed = min(oversampling, _FINEST_GRID) * (2 * strong.largest_indices() + 1)
    needed = needed.maximum(2 * observed.largest_indices() + 2)
    sizes = torch.tensor(_quick_sizes(math.ceil(needed.max())), device=needed.device)
    return sizes[torch.searchsorted(sizes, needed)]


def _quick_sizes(largest: int) -> list[int]:
    """Return even sizes at which FFTs are quick, up to one that is at least `largest`."""
    sizes = list(_SIZES)
    while sizes[-1] < largest:
        sizes.append(2 * next_fast_len(sizes[-1] // 2 + 1, real=True))
    return sizes


class _Search:
    """The search for the phases of crystals on one grid; all its tensors have a row for each crystal."""

    def __init__(
        self, measurement: Measurement, method: Method, plan: SearchPlan, seed: int, crystals: Sequence[int]
    ) -> None:
        batch, device = len(measurement), measurement.amplitude.device
        self.measurement, self.method, self.plan, self.seed, self.crystals = measurement, method, plan, seed, crystals
        self.measured = AmplitudeConstraint.of(measurement)
        self.constraint = method.constraint(measurement)
        self.best = torch.zeros_like(self.measured.passed)
        self.r_factor = torch.full((batch,), torch.inf, device=device)
        self.agreement = torch.zeros(batch, device=device)
        self.cycles = torch.zeros(batch, dtype=torch.long, device=device)

    def run(self) -> Solution:
        """Search for the phases of all crystals."""
        unfinished = torch.arange(len(self.measurement), device=self.best.device)
        for number in range(self.plan.rounds):
            self._round(number, unfinished)
            unfinished = unfinished[self.agreement[unfinished] < self.plan.agreement]
            if not len(unfinished):
                break
        polishing = self.plan.polishing
        best = eliminate_low_density(self.best, self.measured, polishing.density_share, polishing.final_cycles)
        return Solution(self.measurement.full_box(best), self.agreement, self.cycles)

    def _round(self, number: int, crystals: Tensor) -> None:
        """Start afresh with some crystals (K,) and continue until each is finished or its trajectories have settled."""
        plan, restarts, polishing = self.plan, self.plan.restarts, self.plan.polishing
        owner = torch.arange(len(crystals), device=crystals.device).repeat_interleave(restarts)
        names = [self.crystals[row] for row in crystals[owner].tolist()]
        numbers = [number * restarts + restart for restart in range(restarts)] * len(crystals)
        # The best of earlier rounds, in column 0, stands beside the restarts of this one.
        earlier = self.best[crystals], self.r_factor[crystals], self.agreement[crystals]
        candidates = torch.zeros_like(self.best[crystals[owner]])
        figures = torch.full_like(self.r_factor[crystals[owner]], torch.inf)
        going = torch.arange(len(owner), device=crystals.device)
        measurement = self.measurement[crystals[owner]]
        state = random_start(measurement, self.seed, names, numbers)
        for first in range(0, self.method.iterations, plan.check_every):
            cycles = range(first, min(first + plan.check_every, self.method.iterations))
            rows = crystals[owner[going]]
            state = self.method.advance(state, self.constraint[rows], number, cycles)
            polished = eliminate_low_density(state, self.measured[rows], polishing.density_share, polishing.cycles)
            settled = overlap(candidates[going], polished) >= plan.settled
            candidates[going] = polished
            figures[going] = r_factor(polished, self.measurement[rows], polishing.density_share).nan_to_num(torch.inf)
            self.cycles.index_add_(0, rows, torch.full_like(rows, len(cycles)))
            self._choose(crystals, earlier, candidates, figures)
            stays = ~settled & (self.agreement[rows] < plan.agreement)
            state, going = state[stays], going[stays]
            if not len(going):
                break

    def _choose(self, crystals: Tensor, earlier: tuple[Tensor, Tensor, Tensor], found: Tensor, figures: Tensor) -> None:
        """Take the best of the earlier solution and the restarts by R, and see how well another agrees with it."""
        best, best_figure, best_agreement = earlier
        everything = torch.cat((best[:, None], found.unflatten(0, (len(crystals), -1))), 1)
        all_figures = torch.cat((best_figure[:, None], figures.unflatten(0, (len(crystals), -1))), 1)
        figure, chosen = all_figures.min(1)
        rows = torch.arange(len(crystals), device=crystals.device)
        reference = everything[rows, chosen]
        agreed = torch.zeros_like(figure)
        for place in range(everything.shape[1]):
            other = (chosen != place) & torch.isfinite(all_figures[:, place])
            if other.any():
                agreed[other] = agreed[other].maximum(likeness(everything[other, place], reference[other]))
        self.best[crystals], self.r_factor[crystals] = reference, figure
        self.agreement[crystals] = torch.where(chosen == 0, torch.maximum(best_agreement, agreed), agreed)
