"""Phases from several starts of each crystal.

The starts are run and completed on all data; the best are refined as atoms, and one is chosen. Crystals that remain
unsettled get another round of starts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from phaselearn.crystal.alignment import align
from phaselearn.crystal.judgement import with_phases_of
from phaselearn.crystal.layout import Shape, multiplied, permuted, resized
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.reflection_grid import ReflectionGrid, grid_shapes
from phaselearn.errors import UserError
from phaselearn.models.base import PhaseImprover
from phaselearn.phasing.figures_of_merit import DENSITY_SHARE, r_factor
from phaselearn.phasing.flipped_starts import FlippedStarts
from phaselearn.phasing.laue import with_equivalents
from phaselearn.phasing.map_symmetry import impose_symmetry
from phaselearn.phasing.measurement import Measurement
from phaselearn.phasing.random_phases import random_phases
from phaselearn.phasing.refinement import Refinement
from phaselearn.phasing.solution import Solution
from phaselearn.solver.phase_extension import extend
from phaselearn.solver.trial_solutions import Found, Trial, better, refined

_VOXELS_KEPT = 1 << 24  # in the boxes of all starts of the crystals that are phased together; bounds the memory
_SMALL_BOX = 1 << 14  # voxels
_VOXELS_AT_ONCE = 1 << 18  # in the boxes of all trajectories that go through the network together
# Share of the reflections within the network's resolution. With fewer, flipping has data enough, and one start will do.
_ENOUGH = 0.5


@dataclass(frozen=True, kw_only=True)
class StartPlan:
    """The starts of a crystal: what makes their trial phases, how many there are, and when there are enough.

    Attributes:
        flipping: makes the trial phases; None for random ones.
        count: starts of a crystal in a round.
        first: starts of the first round that are run before the others; a crystal that atoms then explain is done.
        rounds: largest number of rounds. Further rounds are for crystals that atoms do not explain and whose best start
            agrees with no other.
        settled: least map correlation at which another start agrees with the best.
        seconds: wall-clock time for each crystal. After the first start, one round is run with as many starts as the
            time allows; None for all rounds.

    Raises:
        UserError: a number is too small.
    """

    flipping: FlippedStarts | None
    count: int
    first: int
    rounds: int
    settled: float
    seconds: float | None

    def __post_init__(self) -> None:
        for name in ("count", "first", "rounds"):
            if getattr(self, name) < 1:
                raise UserError(
                    f"model.starts.{name}={getattr(self, name)}: a whole number of at least 1 is needed, "
                    f"e.g. model.starts.{name}=6"
                )
        if self.seconds is not None and self.seconds <= 0:
            raise UserError(
                f"model.starts.seconds={self.seconds}: above 0 is needed, or null for no limit, "
                "e.g. model.starts.seconds=0.1"
            )


@dataclass(frozen=True, kw_only=True)
class Completion:
    """The completion of the network's phases to phases of all measured reflections.

    Attributes:
        finest: finest resolution in Å that the network works at; finer reflections are phased by extension.
        density_share: share of the voxels that hold density, for the extension.
        extension_cycles: cycles of the extension.
        least: least map correlation at which a rotated map counts as a copy when symmetry is imposed.
        passes: passes over the rotations of each crystal; with 0 no symmetry is imposed.
    """

    finest: float
    density_share: float
    extension_cycles: int
    least: float
    passes: int


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The choice of a crystal's best start, without the truth.

    Attributes:
        refined: number of starts of a crystal that are refined as atoms, the best first.
        trust: weight of the map correlation that the network expects, beside R.

    Raises:
        UserError: no start is to be refined.
    """

    refined: int
    trust: float

    def __post_init__(self) -> None:
        if self.refined < 1:
            raise UserError(
                f"model.choice.refined={self.refined}: a whole number of at least 1 is needed, e.g. "
                "model.choice.refined=5"
            )


@dataclass(frozen=True, kw_only=True)
class MultiStart:
    """The search over starts: each goes through the network, the best are refined as atoms, one is chosen.

    Attributes:
        network: improves trial phases.
        starts: the starts of a crystal.
        completion: the completion of the network's phases.
        choice: the choice of the best start.
        refinement: fits atoms; None leaves the phases as the network has found them.
        seed: seed of the trial phases.
    """

    network: PhaseImprover
    starts: StartPlan
    completion: Completion
    choice: Choice
    refinement: Refinement | None
    seed: int

    @torch.no_grad()
    def solve(self, observed: Observed, crystals: Sequence[int]) -> Solution:
        """Phase B crystals.

        Args:
            observed: the crystals' reflections.
            crystals: (B,) a number for each crystal, its row in the store, which seeds its trial phases.
        """
        # From here on the axes are in one order, so their names change nothing.
        order, shape, measured = observed.axis_order(), observed.shape, observed.mask
        observed = _completed(observed.reordered(order))
        seen = (observed.mask & observed.within(self.completion.finest)).flatten(1).sum(1)
        enough = seen >= _ENOUGH * observed.mask.flatten(1).sum(1)
        parts, places = [], []
        for some, starts in ((enough, self.starts.count), (~enough, 1)):
            rows = some.nonzero()[:, 0]
            if len(rows):
                names = [crystals[row] for row in rows.tolist()]
                parts.append(self._searched(observed[rows], names, starts))
                places.append(rows)
        found = Found.gathered(parts, places)
        factors = resized(permuted(found.factors, order.argsort(1)), shape)
        return replace(found, factors=factors * measured).solution()

    def _searched(self, observed: Observed, crystals: list[int], starts: int) -> Found:
        """Phase crystals in rounds of starts, or with as many starts as there is time for."""
        if starts == 1:
            return self._best(observed, crystals, range(1))
        seconds = self.starts.seconds
        return self._in_rounds(observed, crystals) if seconds is None else self._in_time(observed, crystals, seconds)

    def _in_rounds(self, observed: Observed, crystals: list[int]) -> Found:
        count = self.starts.count
        first = min(self.starts.first, count)
        found = self._best(observed, crystals, range(first))
        if first < count:
            found = self._gone_on(found, ~found.explained, observed, crystals, range(first, count))
        for number in range(1, self.starts.rounds):
            unsettled = ~found.explained & (found.agreement < self.starts.settled)
            found = self._gone_on(found, unsettled, observed, crystals, range(number * count, (number + 1) * count))
        return found

    def _gone_on(self, found: Found, wanted: Tensor, observed: Observed, crystals: list[int], starts: range) -> Found:
        """Run further starts of the wanted crystals, and return the better result for each crystal."""
        rows = wanted.nonzero()[:, 0]
        if not len(rows):
            return found
        part, names = observed[rows], [crystals[row] for row in rows.tolist()]
        return found.with_rows(rows, better(found[rows], self._best(part, names, starts), part))

    def _in_time(self, observed: Observed, crystals: list[int], seconds: float) -> Found:
        began = time.perf_counter()
        first = self._best(observed, crystals, range(1))
        taken_by_one = time.perf_counter() - began
        more = min(self.starts.count - 1, int(seconds * len(crystals) / taken_by_one) - 1)
        return better(first, self._best(observed, crystals, range(1, 1 + more)), observed) if more > 0 else first

    def _best(self, observed: Observed, crystals: list[int], starts: range) -> Found:
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
        begun = None
        flipping = self.starts.flipping
        if flipping is not None:
            begun = torch.stack([flipping(observed, crystals, self.seed, start) for start in starts], 1)
        shapes = _box_shapes(observed)
        trials = []
        for shape in shapes.unique(dim=0):
            rows = (shapes == shape).all(1).nonzero()[:, 0]
            names = [crystals[row] for row in rows.tolist()]
            box: Shape = tuple(shape.tolist())
            first = None if begun is None else resized(begun[rows].flatten(0, 1), box)
            part = observed[rows].cropped(box)
            trials.append(Trial(rows, part, self._led_to(part, names, starts, first)))
        return trials

    def _led_to(self, observed: Observed, crystals: list[int], starts: range, begun: Tensor | None) -> Found:
        """Run these starts of crystals; the results of a crystal's starts follow one another."""
        count, voxels = len(starts), observed.mask[0].numel()
        owner = torch.arange(len(crystals), device=observed.mask.device).repeat_interleave(count)
        everything = observed[owner]
        factors = torch.zeros_like(everything.amplitude, dtype=torch.complex64)
        expected = everything.amplitude.new_zeros(len(owner))
        shapes, group = grid_shapes(observed.cut(self.completion.finest)).unique(dim=0, return_inverse=True)
        for number, shape in enumerate(shapes.tolist()):
            for rows in (group == number).nonzero()[:, 0].split(max(1, _VOXELS_AT_ONCE // (count * voxels))):
                names = [crystals[row] for row in rows.tolist()]
                entries = (count * rows[:, None] + torch.arange(count, device=rows.device)).flatten()
                grid = ReflectionGrid.of(everything[entries].cut(self.completion.finest), tuple(shape))
                if begun is None:
                    each = [name for name in names for _ in starts]
                    phases = random_phases(grid, self.seed, each, list(starts) * len(names))
                else:
                    phases = grid.on_grid(begun[entries])
                half, expected[entries] = self.network.improve(grid, phases)
                factors[entries] = grid.full_box(half, observed.shape)
        factors = self._finished(factors, everything, begun)
        fine = Measurement.of(everything, multiplied(observed.shape, 2))
        score = self.choice.trust * expected - r_factor(fine.phased(factors), fine, DENSITY_SHARE)
        # A start whose score is not a number is chosen last; sorted, NaN would come first.
        score = score.nan_to_num(-torch.inf)
        unknown = torch.zeros_like(expected)
        return Found(factors, unknown, expected, score, torch.zeros_like(score, dtype=torch.bool))

    def _finished(self, found: Tensor, observed: Observed, begun: Tensor | None) -> Tensor:
        """Return FFT boxes with phases of all measured reflections, those finer than the network works at included."""
        amplitude = observed.map_amplitude()
        inside = observed.within(self.completion.finest)
        factors = with_phases_of(amplitude * inside, found)
        if begun is not None and (observed.mask & ~inside).any():
            begun = with_phases_of(amplitude, begun)
            # The network is blind to the origin and drifts away from where it began.
            factors = align(factors, begun * inside).apply(factors) + begun * ~inside
        completion = self.completion
        factors = extend(factors, observed, completion.finest, completion.density_share, completion.extension_cycles)
        return impose_symmetry(factors, observed, completion.least, completion.passes)


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
