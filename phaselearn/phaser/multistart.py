"""Phases from several starts of each crystal: trajectories are run, finished on all data, and R chooses among them."""

from __future__ import annotations

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
from phaselearn.phasing.figures_of_merit import DENSITY_SHARE, likeness, r_factor
from phaselearn.phasing.laue import with_equivalents
from phaselearn.phasing.measurement import Measurement, resized
from phaselearn.phasing.solution import Solution
from phaselearn.phasing.symmetry import impose_symmetry

_VOXELS_AT_ONCE = 1 << 18  # of the boxes of all trajectories together; bounds the memory
# Of the reflections, within the network's resolution: where it sees fewer, flipping sees enough, and one start will do.
_ENOUGH = 0.5

Trajectories = Callable[[ReflectionGrid, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class MultiStart:
    """The search of the phaser.

    Attributes:
        run: takes trajectories from half boxes with starting phases to half boxes with phases, and to the map
            correlations (B,) that the network expects of them.
        starts: of a crystal.
        flipping: makes the starting phases; None for random ones.
        finest: resolution in Å down to which the network works.
        density_share: share of the voxels that hold density, for the extension to finer data.
        extension: cycles of the extension.
        least, passes: see `impose_symmetry`.
        seed: of the starting phases.
    """

    run: Trajectories
    starts: int
    flipping: FlippedStarts | None
    finest: float
    density_share: float
    extension: int
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
        solution = _nothing(observed)
        for some, starts in ((enough, self.starts), (~enough, 1)):
            rows = some.nonzero()[:, 0]
            if len(rows):
                names = [crystals[row] for row in rows.tolist()]
                _put(solution, rows, self._best(taken(observed, rows), names, starts))
        return replace(solution, factors=solution.factors * measured)

    def _best(self, observed: Observed, crystals: list[int], starts: int) -> Solution:
        """Phase crystals with so many starts each."""
        begun = None
        if self.flipping is not None:
            begun = torch.stack([self.flipping(observed, crystals, self.seed, start) for start in range(starts)], 1)
        solution = _nothing(observed)
        shapes, group = grid_shapes(cut(observed, self.finest)).unique(dim=0, return_inverse=True)
        for number, shape in enumerate(shapes.tolist()):
            rows = (group == number).nonzero()[:, 0]
            part = crop(taken(observed, rows), _smallest_box(observed.mask[rows]))
            at_once = max(1, _VOXELS_AT_ONCE // (starts * part.mask[0].numel()))
            for chosen in torch.arange(len(rows), device=rows.device).split(at_once):
                places = rows[chosen]
                names = [crystals[row] for row in places.tolist()]
                some = taken(part, chosen)
                first = None if begun is None else resized(begun[places].flatten(0, 1), tuple(part.mask.shape[1:]))
                found = self._best_on_grid(some, tuple(shape), names, starts, first)
                factors = resized(found.factors, tuple(observed.mask.shape[1:]))
                _put(solution, places, replace(found, factors=factors))
        return solution

    def _best_on_grid(
        self, observed: Observed, shape: tuple[int, int, int], crystals: list[int], starts: int, begun: Tensor | None
    ) -> Solution:
        """Run all starts of crystals that share a grid, the starts of a crystal one after the other in `begun`."""
        grid = ReflectionGrid.of(cut(observed, self.finest), shape).repeat(starts)
        owner = torch.arange(len(crystals), device=observed.mask.device).repeat_interleave(starts)
        if begun is None:
            names = [crystals[row] for row in owner.tolist()]
            phases = random_phases(grid, self.seed, names, list(range(starts)) * len(crystals))
        else:
            phases = grid.on_grid(begun)
        half, expected = self.run(grid, phases)
        observed = taken(observed, owner)
        factors = self._finished(grid.full_box(half, observed.mask.shape[-1]), observed, begun)
        fine = Measurement.of(observed, (2 * factors.shape[-1],) * 3)
        phased = fine.phased(factors)
        figure = r_factor(phased, fine, DENSITY_SHARE).view(-1, starts)
        best = figure.argmin(1) + starts * torch.arange(len(crystals), device=figure.device)
        alike = likeness(phased, phased[best].repeat_interleave(starts, 0))
        alike[best] = 0
        return Solution(factors[best], alike.view(-1, starts).amax(1), None, expected[best])

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


def _nothing(observed: Observed) -> Solution:
    """Return a solution that says nothing yet."""
    figure = observed.amplitude.new_zeros(len(observed.amplitude))
    factors = torch.zeros_like(observed.amplitude, dtype=torch.complex64)
    return Solution(factors, figure, None, figure.clone())


def _put(solution: Solution, rows: Tensor, part: Solution) -> None:
    for name in ("factors", "agreement", "expected_correlation"):
        getattr(solution, name)[rows] = getattr(part, name).to(getattr(solution, name).dtype)


def _smallest_box(mask: Tensor) -> int:
    """Return the voxels an axis of the smallest FFT box that holds the reflections of masks (B, N, N, N)."""
    index = miller_indices("full", mask.shape[-1]).abs().to(mask.device)
    along = [mask.movedim(axis, 1).flatten(2).any(2).any(0) for axis in (1, 2, 3)]
    largest = int((torch.stack(along) * index).max())
    return min(2 * largest + 2, mask.shape[-1])
