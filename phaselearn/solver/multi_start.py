"""Phases from several starts of each crystal.

The symmetry of |F| is imposed on the trial phases, the best are refined as atoms, and one is chosen. Crystals that
remain unsettled get further starts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from phaselearn.crystal.layout import Shape, multiplied, permuted, resized
from phaselearn.crystal.observed import Observed
from phaselearn.errors import UserError
from phaselearn.phasing.figures_of_merit import DENSITY_SHARE, r_factor
from phaselearn.phasing.laue import with_equivalents
from phaselearn.phasing.map_symmetry import impose_symmetry
from phaselearn.phasing.measurement import Measurement
from phaselearn.phasing.refinement import Refinement
from phaselearn.phasing.solution import Solution, Stage
from phaselearn.phasing.starts import Starts
from phaselearn.solver.trial_solutions import Found, Trial, better, refined

_VOXELS_KEPT = 1 << 24  # in the boxes of all starts of the crystals that are phased together; bounds the memory
_SMALL_BOX = 1 << 14  # voxels


@dataclass(frozen=True, kw_only=True)
class StartPlan:
    """The number of starts of a crystal.

    Attributes:
        counts: numbers of starts, rising. After each of them a crystal that atoms explain is done; the others go on.
        trusted: number of starts from which on a crystal is done, too, if its atoms fit and another start agrees with
            its best.
        settled: least map correlation at which another start agrees with the best.
        fine: a resolution in Å: a crystal most of whose reflections are finer gets starts up to the count `searches`.
            Two that agree are trusted, and where the noise is not known, atoms that fit; None for no such crystals.
        searches: number of starts of such a crystal.
        seconds: wall-clock time for each crystal, after which no further starts begin; None for no limit.

    Raises:
        UserError: a number is too small.
    """

    counts: Sequence[int]
    trusted: int
    settled: float
    fine: float | None
    searches: int
    seconds: float | None

    def __post_init__(self) -> None:
        if not self.counts or self.counts[0] < 1 or any(later <= count for count, later in pairwise(self.counts)):
            raise UserError(
                f"search.counts={list(self.counts)}: rising whole numbers from 1 are needed, e.g. search.counts=[1,2,6]"
            )
        if self.seconds is not None and self.seconds <= 0:
            raise UserError(
                f"search.seconds={self.seconds}: above 0 is needed, or null for no limit, e.g. search.seconds=0.1"
            )


@dataclass(frozen=True, kw_only=True)
class Symmetry:
    """The symmetry of |F| that is imposed on maps.

    Attributes:
        least: least map correlation at which a rotated copy of the map is averaged with it.
        passes: passes over the rotations that |F| shows; with 0 no symmetry is imposed.
    """

    least: float
    passes: int


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The choice of a crystal's best start, without the truth.

    Attributes:
        refined: number of starts of a crystal that are refined as atoms, the best first.
        trust: weight of the map correlation that the start expects, beside R.

    Raises:
        UserError: no start is to be refined.
    """

    refined: int
    trust: float

    def __post_init__(self) -> None:
        if self.refined < 1:
            raise UserError(
                f"search.choice.refined={self.refined}: a whole number of at least 1 is needed, e.g. "
                "search.choice.refined=5"
            )


@dataclass(frozen=True, kw_only=True)
class MultiStart:
    """The search over starts: whatever made their trial phases, the best are refined as atoms, and one is chosen.

    Attributes:
        starts: source of the trial phases.
        plan: the number of starts.
        symmetry: the symmetry that is imposed on the maps of the trial phases.
        choice: the choice of the best start.
        refinement: fits atoms; None leaves the trial phases as they are.
        seed: seed of the trial phases.
    """

    starts: Starts
    plan: StartPlan
    symmetry: Symmetry
    choice: Choice
    refinement: Refinement | None
    seed: int

    def solve(self, observed: Observed, crystals: Sequence[int]) -> Solution:
        """Phase B crystals.

        Args:
            observed: the crystals' reflections.
            crystals: (B,) a number for each crystal, its row in the store, which seeds its trial phases.
        """
        *_, last = self.stages(observed, crystals)
        return last.solution

    @torch.no_grad()
    def stages(self, observed: Observed, crystals: Sequence[int]) -> Iterator[Stage]:
        """Yield the best phases so far after each number of starts of the plan; arguments as in `solve`.

        The last one is the result. There are fewer than the plan has if all crystals are done before.
        """
        began = time.perf_counter()
        given, order = observed, observed.axis_order()
        # From here on the axes are in one order, so their names change nothing.
        observed = _completed(given.reordered(order))
        fine = torch.zeros(len(crystals), dtype=torch.bool, device=given.mask.device)
        if self.plan.fine is not None:
            fine = observed.is_mostly_finer(self.plan.fine)
        going = torch.ones_like(fine)
        found: Found | None = None
        for before, count in pairwise((0, *self.plan.counts)):
            rows = going.nonzero()[:, 0]
            part, names = observed[rows], [crystals[row] for row in rows.tolist()]
            best = self._best(part, names, range(before, count))
            found = best if found is None else found.with_rows(rows, better(found[rows], best, part))
            yield Stage(count, _in_given_axes(found, order, given).solution(), going)
            believed = fine if observed.sigma is None else torch.zeros_like(fine)
            going = going & ~self._is_done(found, count, fine) & ~(believed & found.fits)
            if not going.any() or self._is_late(began, len(crystals)):
                return

    @torch.no_grad()
    def trial(self, observed: Observed, number: int) -> Solution:
        """Phase B crystals with one start of each, `number`, counted from 0."""
        order = observed.axis_order()
        axes = _completed(observed.reordered(order))
        found = self._best(axes, [0] * len(observed), range(number, number + 1))
        return _in_given_axes(found, order, observed).solution()

    def _is_done(self, found: Found, starts: int, fine: Tensor) -> Tensor:
        """Return (B,) whether crystals are done after so many starts."""
        agreed = found.agreement >= self.plan.settled
        if self.refinement is not None:
            agreed &= found.fits  # starts can agree on a false map
        trusted = fine | (starts >= self.plan.trusted)
        return found.explained | (agreed & trusted) | (fine & (starts >= self.plan.searches))

    def _is_late(self, began: float, crystals: int) -> bool:
        return self.plan.seconds is not None and time.perf_counter() - began >= self.plan.seconds * crystals

    def _best(self, observed: Observed, crystals: Sequence[int], starts: range) -> Found:
        """Phase crystals with these starts."""
        parts, places = [], []
        at_once = max(1, _VOXELS_KEPT // (len(starts) * observed.mask[0].numel()))
        for rows in torch.arange(len(crystals), device=observed.mask.device).split(at_once):
            trials = self._trials(observed[rows], [crystals[row] for row in rows.tolist()], starts)
            if self.refinement is not None:
                trials = refined(trials, self.refinement, self.choice.refined, self.choice.trust)
            for trial in trials:
                parts.append(trial.best().on_box(observed.shape))
                places.append(rows[trial.rows])
        return Found.gathered(parts, places)

    def _trials(self, observed: Observed, crystals: list[int], starts: range) -> list[Trial]:
        """Run these starts of crystals; crystals whose reflections fit into the same box are run together."""
        shapes = _box_shapes(observed)
        trials = []
        for shape in shapes.unique(dim=0):
            rows = (shapes == shape).all(1).nonzero()[:, 0]
            box: Shape = tuple(shape.tolist())
            part = observed[rows].cropped(box)
            trials.append(Trial(rows, part, self._run(part, [crystals[row] for row in rows.tolist()], starts)))
        return trials

    def _run(self, observed: Observed, crystals: list[int], starts: range) -> Found:
        """Run these starts of crystals; the results of a crystal's starts follow one another."""
        everything = observed[torch.arange(len(crystals), device=observed.mask.device).repeat_interleave(len(starts))]
        trial = self.starts(observed, crystals, self.seed, starts)
        factors = impose_symmetry(trial.factors, observed, self.symmetry.least, self.symmetry.passes)
        fine = Measurement.of(everything, multiplied(observed.shape, 2))
        unknown = torch.zeros(len(everything), device=observed.mask.device)
        expected = unknown if trial.expected_correlation is None else trial.expected_correlation
        score = self.choice.trust * expected - r_factor(fine.phased(factors), fine, DENSITY_SHARE)
        # A start whose score is not a number is chosen last; sorted, NaN would come first.
        score = score.nan_to_num(-torch.inf)
        no = torch.zeros_like(score, dtype=torch.bool)
        found = Found(factors, unknown, expected, score, fits=no, explained=no)
        if trial.evidence is None or self.refinement is None:
            return found
        return found.with_atoms(trial.factors, trial.evidence, self.refinement.enough, self.choice.trust)


def _in_given_axes(found: Found, order: Tensor, given: Observed) -> Found:
    """Return phases of crystals whose axes were put in an order (B, 3), in those of the given reflections."""
    factors = resized(permuted(found.factors, order.argsort(1)), given.shape) * given.mask
    return replace(found, factors=factors)


def _completed(observed: Observed) -> Observed:
    """Return the same with unmeasured reflections filled in from their equivalents where these were measured."""
    rows = Measurement.of(observed).free.flatten(1).any(1).nonzero()[:, 0]
    if not len(rows):
        return observed
    return observed.with_rows(rows, with_equivalents(observed[rows]))


def _box_shapes(observed: Observed) -> Tensor:
    """Return (B, 3) the shapes of the smallest FFT boxes that hold all reflections of each crystal.

    Small boxes are cubes, which many crystals share: these are phased together.
    """
    shapes = 2 * observed.largest_indices() + 2
    cubes = shapes.amax(1, keepdim=True).expand_as(shapes)
    return torch.where(cubes.prod(1, keepdim=True) <= _SMALL_BOX, cubes, shapes)
