"""Phases from several starts of each crystal: run, finished on all data, the best refined as atoms, one chosen.

Crystals of which that settles nothing get another round of starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from phaselearn.crystal.alignment import align
from phaselearn.crystal.judgement import Observed, with_phases_of
from phaselearn.crystal.layout import miller_indices
from phaselearn.phaser.coverage import crop, cut, taken, within_resolution
from phaselearn.phaser.extension import extend
from phaselearn.phaser.grid import ReflectionGrid, grid_shapes
from phaselearn.phaser.starts import FlippedStarts, random_phases
from phaselearn.phaser.trials import Found, Trial, better, refine
from phaselearn.phasing.figures_of_merit import DENSITY_SHARE, r_factor
from phaselearn.phasing.laue import with_equivalents
from phaselearn.phasing.measurement import Measurement, resized
from phaselearn.phasing.refinement import Refinement
from phaselearn.phasing.solution import Solution
from phaselearn.phasing.symmetry import impose_symmetry

_VOXELS_KEPT = 1 << 24  # of the boxes of all starts of the crystals that are phased together; bounds the memory
_VOXELS_AT_ONCE = 1 << 18  # of the boxes of all trajectories of the network together
# Of the reflections, within the network's resolution: where it sees fewer, flipping sees enough, and one start will do.
_ENOUGH = 0.5

Trajectories = Callable[[ReflectionGrid, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class MultiStart:
    """The search of the phaser.

    Attributes:
        run: takes trajectories from half boxes with starting phases to half boxes with phases, and to the map
            correlations (B,) that the network expects of them.
        starts: of a crystal, in a round.
        first: of them, those that are run before the others: crystals that atoms then explain are done.
        rounds: at most, for crystals that atoms do not explain and whose best start no other agrees with.
        settled: map correlation with the best start from which another agrees with it.
        seconds: of the clock on the wall, for each crystal: after the first start as many of a
            round as they allow; None for all rounds.
        refined: how many of a crystal, the best, are refined as atoms.
        trust: weight of the map correlation that the network expects, beside R, where the best start is chosen.
        flipping: makes the starting phases; None for random ones.
        finest: resolution in Å down to which the network works.
        density_share: share of the voxels that hold density, for the extension to finer data.
        extension: cycles of the extension.
        refinement: fits atoms; None leaves the phases as the network has found them.
        least, passes: see `impose_symmetry`.
        seed: of the starting phases.
    """

    run: Trajectories
    starts: int
    first: int
    rounds: int
    settled: float
    seconds: float | None
    refined: int
    trust: float
    flipping: FlippedStarts | None
    finest: float
    density_share: float
    extension: int
    refinement: Refinement | None
    least: float
    passes: int
    seed: int

    def solve(self, observed: Observed, crystals: Sequence[int]) -> Solution:
        """Phase B crystals.

        Args:
            observed: of the crystals.
            crystals: (B,) a number for each, the row in its store, for its starting phases.
        """
        measured = observed.mask
        observed = _completed(observed)
        seen = (observed.mask & within_resolution(observed, self.finest)).flatten(1).sum(1)
        enough = seen >= _ENOUGH * observed.mask.flatten(1).sum(1)
        found = Found.nothing(observed)
        for some, starts in ((enough, self.starts), (~enough, 1)):
            rows = some.nonzero()[:, 0]
            if len(rows):
                names = [crystals[row] for row in rows.tolist()]
                found.put(rows, self._searched(taken(observed, rows), names, starts))
        return replace(found.solution, factors=found.solution.factors * measured)

    def _searched(self, observed: Observed, crystals: list[int], starts: int) -> Found:
        """Phase crystals in rounds of so many starts each, or in what there is time for."""
        if starts == 1:
            return self._best(observed, crystals, range(1))
        return self._in_rounds(observed, crystals) if self.seconds is None else self._in_time(observed, crystals)

    def _in_rounds(self, observed: Observed, crystals: list[int]) -> Found:
        first = min(self.first, self.starts)
        found = self._best(observed, crystals, range(first))
        if first < self.starts:
            self._go_on(found, ~found.explained, observed, crystals, range(first, self.starts))
        for number in range(1, self.rounds):
            unsettled = ~found.explained & (found.solution.agreement < self.settled)
            self._go_on(found, unsettled, observed, crystals, range(number * self.starts, (number + 1) * self.starts))
        return found

    def _go_on(self, found: Found, wanted: Tensor, observed: Observed, crystals: list[int], starts: range) -> None:
        """Put what these starts lead to in the place of what was found, for the wanted crystals, where it is better."""
        rows = wanted.nonzero()[:, 0]
        if len(rows):
            part, names = taken(observed, rows), [crystals[row] for row in rows.tolist()]
            found.put(rows, better(found.take(rows), self._best(part, names, starts), part))

    def _in_time(self, observed: Observed, crystals: list[int]) -> Found:
        began = time.perf_counter()
        first = self._best(observed, crystals, range(1))
        taken_by_one = time.perf_counter() - began
        more = min(self.starts - 1, int(self.seconds * len(crystals) / taken_by_one) - 1)
        return better(first, self._best(observed, crystals, range(1, 1 + more)), observed) if more > 0 else first

    def _best(self, observed: Observed, crystals: list[int], starts: range) -> Found:
        """Phase crystals with these starts."""
        found = Found.nothing(observed)
        at_once = max(1, _VOXELS_KEPT // (len(starts) * observed.mask[0].numel()))
        for rows in torch.arange(len(crystals), device=observed.mask.device).split(at_once):
            trials = self._trials(taken(observed, rows), [crystals[row] for row in rows.tolist()], starts)
            if self.refinement is not None:
                refine(trials, self.refinement, self.refined, self.trust)
            for trial in trials:
                found.put(rows[trial.rows], trial.best())
        return found

    def _trials(self, observed: Observed, crystals: list[int], starts: range) -> list[Trial]:
        """Run these starts of crystals, those of which the reflections fit into the same box together."""
        begun = None
        if self.flipping is not None:
            begun = torch.stack([self.flipping(observed, crystals, self.seed, start) for start in starts], 1)
        boxes = _smallest_boxes(observed.mask)
        trials = []
        for box in boxes.unique().tolist():
            rows = (boxes == box).nonzero()[:, 0]
            names = [crystals[row] for row in rows.tolist()]
            first = None if begun is None else resized(begun[rows].flatten(0, 1), (box, box, box))
            part = crop(taken(observed, rows), box)
            trials.append(Trial(rows, part, self._led_to(part, names, starts, first)))
        return trials

    def _led_to(self, observed: Observed, crystals: list[int], starts: range, begun: Tensor | None) -> Found:
        """Run trajectories, an entry for each start, those of a crystal one after the other."""
        count, box = len(starts), observed.mask.shape[-1]
        owner = torch.arange(len(crystals), device=observed.mask.device).repeat_interleave(count)
        everything = taken(observed, owner)
        factors = torch.zeros_like(everything.amplitude, dtype=torch.complex64)
        expected = everything.amplitude.new_zeros(len(owner))
        shapes, group = grid_shapes(cut(observed, self.finest)).unique(dim=0, return_inverse=True)
        for number, shape in enumerate(shapes.tolist()):
            for rows in (group == number).nonzero()[:, 0].split(max(1, _VOXELS_AT_ONCE // (count * box**3))):
                names = [crystals[row] for row in rows.tolist()]
                entries = (count * rows[:, None] + torch.arange(count, device=rows.device)).flatten()
                grid = ReflectionGrid.of(cut(taken(observed, owner[entries]), self.finest), tuple(shape))
                if begun is None:
                    each = [name for name in names for _ in starts]
                    phases = random_phases(grid, self.seed, each, list(starts) * len(names))
                else:
                    phases = grid.on_grid(begun[entries])
                half, expected[entries] = self.run(grid, phases)
                factors[entries] = grid.full_box(half, box)
        factors = self._finished(factors, everything, begun)
        fine = Measurement.of(everything, (2 * box,) * 3)
        score = self.trust * expected - r_factor(fine.phased(factors), fine, DENSITY_SHARE)
        # A start that came to no numbers is the last that is chosen; sorted, NaN would come first.
        score = score.nan_to_num(-torch.inf)
        return Found(Solution(factors, None, None, expected), score, torch.zeros_like(score, dtype=torch.bool))

    def _finished(self, found: Tensor, observed: Observed, begun: Tensor | None) -> Tensor:
        """Return FFT boxes with all that is measured phased, beyond the network's resolution too, and symmetric."""
        amplitude = observed.map_amplitude()
        inside = within_resolution(observed, self.finest)
        factors = with_phases_of(amplitude * inside, found)
        if begun is not None and (observed.mask & ~inside).any():
            begun = with_phases_of(amplitude, begun)
            # Blind to the origin, the network drifts away from where it began.
            factors = align(factors, begun * inside).apply(factors) + begun * ~inside
        factors = extend(factors, observed, self.finest, self.density_share, self.extension)
        return impose_symmetry(factors, observed, self.least, self.passes)


def _completed(observed: Observed) -> Observed:
    """Return the same with unmeasured reflections filled in from their equivalents, as far as these were measured."""
    rows = Measurement.of(observed).free.flatten(1).any(1).nonzero()[:, 0]
    if not len(rows):
        return observed
    part = with_equivalents(taken(observed, rows))
    amplitude = observed.amplitude.index_copy(0, rows, part.amplitude)
    return Observed(amplitude, observed.mask.index_copy(0, rows, part.mask), observed.lattice)


def _smallest_boxes(mask: Tensor) -> Tensor:
    """Return (B,) the voxels an axis of the smallest FFT boxes that hold the reflections of masks (B, N, N, N)."""
    index = miller_indices("full", mask.shape[-1]).abs().to(mask.device)
    along = torch.stack([mask.movedim(axis, 1).flatten(2).any(2) for axis in (1, 2, 3)], 1)
    return (2 * (along * index).amax((1, 2)) + 2).clamp_max(mask.shape[-1])
