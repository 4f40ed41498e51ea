"""The phaser as a model of conf/model: rough phases in, cycles of a network, the best of several starts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from phaselearn.crystal.cartesian import cartesian_map
from phaselearn.crystal.density import map_from_structure_factors
from phaselearn.crystal.judgement import FEWEST_REFLECTIONS, Observed, with_phases_of
from phaselearn.errors import UserError
from phaselearn.losses.correlation import unit_deviation
from phaselearn.losses.shifts import cross_correlation
from phaselearn.metrics.phasing import observed_of, predicted_factors
from phaselearn.models.base import Batch, DensityModel
from phaselearn.phaser.coverage import cut, cut_box, taken
from phaselearn.phaser.grid import ReflectionGrid, grid_shapes
from phaselearn.phaser.multistart import MultiStart
from phaselearn.phaser.network import PhasingNetwork, State
from phaselearn.phaser.starts import FlippedStarts, random_phases
from phaselearn.phaser.weights import load_network
from phaselearn.phasing.refinement import Refinement
from phaselearn.phasing.solution import Solution


class Phaser(DensityModel):
    """Phases amplitudes by cycles of a network between real and reciprocal space.

    Each trajectory begins with random phases, or with those that a short run of charge flipping has found: flipping
    is quick to bring order into phases, a network to tell what is wrong with an almost right map. After every cycle the
    measured amplitudes are put back; the mean loss of the later half of the cycles is trained, each crystal weighted by
    1 − CC₀, since the map with all phases zero is a trap that the easy crystals pull into. Among the starts of a
    crystal R and the map correlation that the network itself expects choose. The truth is used by training alone.

    Args:
        width, hidden, patterson: of `PhasingNetwork`.
        cycles: of a trajectory.
        starts: of a crystal in a round, where nothing is trained.
        first: of them, those that are run before the others, see `MultiStart`.
        rounds: at most, for the crystals that one does not settle, see `MultiStart`.
        settled: map correlation with the best start from which another agrees with it.
        seconds: for each crystal; null for all rounds, however long they take, see `MultiStart`.
        refined: starts of a crystal that are refined as atoms, the best, where nothing is trained.
        trust: weight of the map correlation that the network expects, beside R, in the choice of the best start.
        flipping: makes the starting phases; null for random ones.
        resolution: [finest, coarsest] in Å: each training batch is cut at a resolution drawn between them. Data
            beyond the finest are phased by extension.
        box: {largest_index, share}: this share of the training batches holds |h|, |k|, |l| up to the largest index
            instead, as a small FFT box does.
        symmetry: {least, passes}: how the symmetry that |F| shows is imposed on what the network found, see
            `impose_symmetry`; no passes leave it out.
        density_share: share of the voxels that hold density, for the extension.
        extension: cycles of the extension.
        refinement: fits atoms to |F| from what the network has found; null leaves that as it is.
        judge_weight: of the cross entropy of the predicted map correlation, beside the loss.
        seed: of starting phases and resolutions.
        weights: `default` (those of the package), the path of a checkpoint, or null for fresh ones.
        options: of `DensityModel`; the loss should be blind to origin and hand, as `shift_invariant` is.
    """

    chaotic = True  # charge flipping is

    def __init__(
        self,
        width: int,
        hidden: int,
        patterson: bool,
        cycles: int,
        starts: int,
        first: int,
        rounds: int,
        settled: float,
        seconds: float | None,
        refined: int,
        trust: float,
        flipping: FlippedStarts | None,
        resolution: Sequence[float],
        box: Mapping[str, float],
        symmetry: Mapping[str, float],
        density_share: float,
        extension: int,
        refinement: Refinement | None,
        judge_weight: float,
        seed: int,
        weights: str | None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        for name, value, least in (
            *(("width", width, 1), ("hidden", hidden, 0)),
            *(
                ("cycles", cycles, 1),
                ("starts", starts, 1),
                ("first", first, 1),
                ("rounds", rounds, 1),
                ("refined", refined, 1),
            ),
        ):
            if value < least:
                raise UserError(f"model.{name}={value}: a whole number of at least {least}, e.g. model.{name}=8")
        if seconds is not None and seconds <= 0:
            raise UserError(f"model.seconds={seconds}: above 0, or null for no limit, e.g. model.seconds=0.1")
        self.finest, self.coarsest = resolution
        if not 0 < self.finest <= self.coarsest:
            raise UserError(
                f"model.resolution={list(resolution)}: [finest, coarsest] in Å, e.g. model.resolution=[1.3,2.1]"
            )
        self.network = PhasingNetwork(width, hidden, patterson)
        self.cycles = cycles
        self.flipping = flipping
        self.box = dict(box)
        self.search = MultiStart(
            self._run,
            starts,
            first,
            rounds,
            settled,
            seconds,
            refined,
            trust,
            flipping,
            self.finest,
            density_share,
            extension,
            refinement,
            symmetry["least"],
            symmetry["passes"],
            seed,
        )
        self.judge_weight = judge_weight
        self.seed = seed
        if weights is not None:
            load_network(self.network, weights)

    def training_losses(self, batch: Batch) -> Tensor:
        """Return the weighted loss of the later cycles of one start of each crystal, (B,); 0 where data are too few."""
        with torch.autocast(batch["intensity"].device.type, enabled=False):
            draws = self._draws(batch)
            observed = self._part(observed_of(batch, self.definition), *draws[:2].tolist())
            # What cannot be judged is not trained; the gradient of an empty map would grow from cycle to cycle.
            rows = (observed.unique_reflections() >= FEWEST_REFLECTIONS).nonzero()[:, 0]
            result = observed.amplitude.new_zeros(len(observed.amplitude))
            if not len(rows):
                return result + 0 * sum(parameter.sum() for parameter in self.parameters())
            true = predicted_factors(batch["density"], batch, self.definition)[rows]
            observed = taken(observed, rows)
            grid = ReflectionGrid.of(observed, tuple(grid_shapes(observed).amax(0).tolist()))
            target = grid.map_of(with_phases_of(grid.amplitude, grid.on_grid(true)))
            weight = 1 - _correlation(grid.map_of(grid.amplitude.to(torch.complex64)), target)
            weight = weight / weight.mean().clamp_min(1e-3)
            phases = self._training_starts(observed, grid, batch["row"][rows].tolist(), draws[2:][rows.cpu().numpy()])
        states = self._trajectory(grid, phases)
        losses = []
        for state in states[len(states) // 2 :]:
            density = grid.map_of(state.factors)
            correlation = _correlation(density.detach(), target)
            judged = nn.functional.binary_cross_entropy_with_logits(
                self.network.expected_correlation(state, grid), correlation.clamp(0, 1), reduction="none"
            )
            losses.append(weight * self.loss(density, target, batch) + self.judge_weight * judged)
        return result.index_copy(0, rows, torch.stack(losses).mean(0))

    def _draws(self, batch: Batch) -> np.ndarray:
        """Return numbers in [0, 1): two for this batch of this epoch, then one a crystal."""
        words = np.random.SeedSequence([self.seed, self.current_epoch, int(batch["row"][0])])
        return words.generate_state(2 + len(batch["row"])) / 2**32

    def _part(self, observed: Observed, resolution: float, coverage: float) -> Observed:
        """Return the reflections that a training batch keeps, from two numbers in [0, 1)."""
        if coverage < self.box["share"]:
            return cut_box(cut(observed, self.finest), int(self.box["largest_index"]))
        return cut(observed, self.finest + (self.coarsest - self.finest) * resolution)

    @torch.no_grad()
    def _training_starts(
        self, observed: Observed, grid: ReflectionGrid, crystals: list[int], draws: np.ndarray
    ) -> Tensor:
        """Return half boxes whose phases begin the trajectories, new ones in every epoch."""
        phases = random_phases(grid, self.seed, crystals, [self.current_epoch] * len(crystals))
        if self.flipping is None:
            return phases
        begins_flipped = torch.from_numpy(draws < self.flipping.share).to(phases.device)
        rows = begins_flipped.nonzero()[:, 0]
        if not len(rows):
            return phases
        part = taken(observed, rows)
        flipped = torch.zeros_like(observed.amplitude, dtype=phases.dtype)
        names = [crystals[row] for row in rows.tolist()]
        flipped[rows] = self.flipping.once(part, names, self.seed, self.current_epoch)
        return torch.where(begins_flipped[:, None, None, None], grid.on_grid(flipped), phases)

    def _trajectory(self, grid: ReflectionGrid, phases: Tensor) -> list[State]:
        with torch.autocast(phases.device.type, enabled=False):
            state, fixed = self.network.start(grid, phases), self.network.fixed_maps(grid)
        states = []
        for _ in range(self.cycles):
            state = self.network.cycle(state, grid, fixed)
            states.append(state)
        return states

    @torch.no_grad()
    def solve(self, observed: Observed, crystals: Sequence[int]) -> Solution:
        """Phase B crystals in float32, from several starts each where nothing is trained.

        Args:
            observed: of the crystals.
            crystals: (B,) a number for each, the row in its store, for its starting phases.
        """
        with torch.autocast(observed.amplitude.device.type, enabled=False):
            return self.search.solve(observed, crystals)

    def _run(self, grid: ReflectionGrid, phases: Tensor) -> tuple[Tensor, Tensor]:
        state = self._trajectory(grid, phases)[-1]
        return state.factors, self.network.expected_correlation(state, grid).sigmoid()

    def forward(self, batch: Batch) -> Tensor:
        """Return the density (B, N, N, N) in electrons/Å³ of the measured amplitudes with the phases found."""
        with torch.autocast(batch["intensity"].device.type, enabled=False):
            observed = observed_of(batch, self.definition)
            factors = with_phases_of(observed.map_amplitude(), self.solve(observed, batch["row"].tolist()).factors)
            synthesis = cartesian_map if self.definition.frame == "cartesian" else map_from_structure_factors
            return synthesis(factors, batch["lattice"])


def _correlation(density: Tensor, target: Tensor) -> Tensor:
    """Return (B,) the map correlation at the best of all whole shifts and both hands."""
    with torch.no_grad():
        first, second = unit_deviation(density), unit_deviation(target)
        return cross_correlation(first, second, inversion=True).flatten(1).amax(1)
