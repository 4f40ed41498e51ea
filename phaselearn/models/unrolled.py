"""The unrolled network as a model of conf/model: cycles of a network turn trial phases into better ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from phaselearn.crystal.cartesian import cartesian_map
from phaselearn.crystal.density import map_from_structure_factors
from phaselearn.crystal.judgement import with_phases_of
from phaselearn.crystal.observed import FEWEST_REFLECTIONS, Observed
from phaselearn.crystal.reflection_grid import ReflectionGrid, grid_shapes
from phaselearn.data.batch import Batch
from phaselearn.errors import UserError
from phaselearn.losses.correlation import unit_deviation
from phaselearn.losses.shifts import cross_correlation
from phaselearn.metrics.phasing import observed_of, predicted_factors
from phaselearn.models.base import DensityModel
from phaselearn.models.unrolled_network import UnrolledNetwork
from phaselearn.phasing.random_phases import random_phases
from phaselearn.phasing.starts import Starts


@dataclass(frozen=True, kw_only=True)
class UnrolledTraining:
    """The crystals and trial phases that the network is trained on.

    Attributes:
        finest, coarsest: resolutions in Å; each training batch is cut at a resolution drawn between them.
        box_index: largest |h|, |k| and |l| of training batches that are cut to a small FFT box instead.
        box_share: share of the training batches that are cut to a small FFT box.
        flipping: makes the trial phases of some crystals; None for random phases alone.
        flipped_share: share of the crystals that begin with those.
        judge_weight: weight, beside the loss, of the cross entropy of the expected map correlation.

    Raises:
        UserError: the resolutions are not a range.
    """

    finest: float
    coarsest: float
    box_index: int
    box_share: float
    flipping: Starts | None
    flipped_share: float
    judge_weight: float

    def __post_init__(self) -> None:
        if not 0 < self.finest <= self.coarsest:
            raise UserError(
                f"model.training.finest={self.finest}, model.training.coarsest={self.coarsest}: resolutions in Å, the "
                "finest first, e.g. model.training.finest=1.3 model.training.coarsest=2.1"
            )

    def part(self, observed: Observed, resolution: float, coverage: float) -> Observed:
        """Return the reflections that a training batch keeps; two random numbers in [0, 1) decide."""
        if coverage < self.box_share:
            return observed.cut(self.finest).cut_box(self.box_index)
        return observed.cut(self.finest + (self.coarsest - self.finest) * resolution)


class Unrolled(DensityModel):
    """Phases amplitudes by cycles of a network between real and reciprocal space.

    A trajectory begins with trial phases. After every cycle the measured amplitudes are restored. Training minimises
    the mean loss of the later half of the cycles, with each crystal weighted by 1 − CC₀: easy crystals would otherwise
    pull the network towards the map with all phases zero. A prediction is one trajectory from random phases;
    `model=solver` runs several and chooses among them. Only training uses the truth.

    Args:
        network: the network and its cycles.
        training: the crystals and trial phases that it is trained on.
        seed: seed of trial phases and resolutions.
        options: the arguments of `DensityModel`. The loss should ignore origin and hand, as `shift_invariant` does. It
            compares maps of unit variance on the network's grid, and reads the lattice and the intensities on that.
    """

    undetermined = frozenset({"origin", "inversion"})
    suited = MappingProxyType({"batching": "cell"})

    def __init__(self, *, network: UnrolledNetwork, training: UnrolledTraining, seed: int, **options: Any) -> None:
        super().__init__(**options)
        self.network = network
        self.training_plan = training
        self.seed = seed

    def training_losses(self, batch: Batch) -> Tensor:
        """Return the weighted loss of the later cycles of one start of each crystal, (B,); 0 with too few data."""
        with torch.autocast(batch["intensity"].device.type, enabled=False):
            draws = self._draws(batch)
            observed = self.training_plan.part(observed_of(batch, self.definition), *draws[:2].tolist())
            # Crystals that cannot be judged are not trained: the gradient of an empty map would grow with every cycle.
            rows = (observed.unique_reflections() >= FEWEST_REFLECTIONS).nonzero()[:, 0]
            result = observed.amplitude.new_zeros(len(observed))
            if not len(rows):
                return result + 0 * torch.stack([parameter.sum() for parameter in self.parameters()]).sum()
            true = predicted_factors(batch["density"], batch, self.definition)[rows]
            observed = observed[rows]
            grid = ReflectionGrid.of(observed, _common_shape(observed))
            target = grid.map_of(with_phases_of(grid.amplitude, grid.on_grid(true)))
            weight = 1 - _correlation(grid.map_of(grid.amplitude.to(torch.complex64)), target)
            weight = weight / weight.mean().clamp_min(1e-3)
            phases = self._training_starts(observed, grid, batch["row"][rows].tolist(), draws[2:][rows.cpu().numpy()])
            on_grid = _measured_on(grid, observed)
        states = self.network.trajectory(grid, phases)
        losses = []
        for state in states[len(states) // 2 :]:
            density = grid.map_of(state.factors)
            correlation = _correlation(density.detach(), target)
            judged = nn.functional.binary_cross_entropy_with_logits(
                self.network.expected_correlation(state, grid), correlation.clamp(0, 1), reduction="none"
            )
            losses.append(weight * self.loss(density, target, on_grid) + self.training_plan.judge_weight * judged)
        return result.index_copy(0, rows, torch.stack(losses).mean(0))

    def _draws(self, batch: Batch) -> np.ndarray:
        """Return random numbers in [0, 1): two for this batch of this epoch, then one for each crystal."""
        words = np.random.SeedSequence([self.seed, self.current_epoch, int(batch["row"][0])])
        return words.generate_state(2 + len(batch["row"])) / 2**32

    @torch.no_grad()
    def _training_starts(
        self, observed: Observed, grid: ReflectionGrid, crystals: list[int], draws: np.ndarray
    ) -> Tensor:
        """Return half boxes with the trial phases of the trajectories, new ones in every epoch."""
        epoch = self.current_epoch
        phases = random_phases(grid, self.seed, crystals, [epoch] * len(crystals))
        flipping = self.training_plan.flipping
        if flipping is None:
            return phases
        begins_flipped = torch.from_numpy(draws < self.training_plan.flipped_share).to(phases.device)
        rows = begins_flipped.nonzero()[:, 0]
        if not len(rows):
            return phases
        flipped = torch.zeros_like(observed.amplitude, dtype=phases.dtype)
        names = [crystals[row] for row in rows.tolist()]
        flipped[rows] = flipping(observed[rows], names, self.seed, range(epoch, epoch + 1)).factors
        return torch.where(begins_flipped[:, None, None, None], grid.on_grid(flipped), phases)

    @torch.no_grad()
    def phase(self, observed: Observed, crystals: Sequence[int]) -> Tensor:
        """Return FFT boxes (B, n₁, n₂, n₃) with the phases of one trajectory from random phases.

        Reflections finer than the finest resolution in training get no phase: their factors are 0.

        Args:
            observed: the crystals' reflections.
            crystals: (B,) a number for each crystal, its row in the store, which seeds its random phases.
        """
        seen = observed.cut(self.training_plan.finest)
        factors = torch.zeros_like(seen.amplitude, dtype=torch.complex64)
        shapes, group = grid_shapes(seen).unique(dim=0, return_inverse=True)
        for number, shape in enumerate(shapes.tolist()):
            rows = (group == number).nonzero()[:, 0]
            grid = ReflectionGrid.of(seen[rows], tuple(shape))
            phases = random_phases(grid, self.seed, [crystals[row] for row in rows.tolist()], [0] * len(rows))
            factors[rows] = grid.full_box(self.network.improve(grid, phases)[0], observed.shape) * seen.mask[rows]
        return factors

    def forward(self, batch: Batch) -> Tensor:
        """Return the density (B, N, N, N) in electrons/Å³ of the measured amplitudes with the phases found."""
        with torch.autocast(batch["intensity"].device.type, enabled=False):
            observed = observed_of(batch, self.definition)
            found = self.phase(observed, batch["row"].tolist())
            factors = with_phases_of(observed.map_amplitude(), found) * (found != 0)
            synthesis = cartesian_map if self.definition.frame == "cartesian" else map_from_structure_factors
            return synthesis(factors, batch["lattice"])


def _common_shape(observed: Observed) -> tuple[int, int, int]:
    first, second, third = grid_shapes(observed).amax(0).tolist()
    return first, second, third


def _measured_on(grid: ReflectionGrid, observed: Observed) -> Batch:
    """Return what a loss may read of the crystals, on the boxes and in the axes of a grid's maps."""
    turned = observed.reordered(grid.order).cropped(grid.shape)
    return Batch(lattice=turned.lattice, intensity=turned.amplitude.square(), observed=turned.mask)


def _correlation(density: Tensor, target: Tensor) -> Tensor:
    """Return (B,) the map correlation at the best of all whole shifts and both hands."""
    with torch.no_grad():
        first, second = unit_deviation(density), unit_deviation(target)
        return cross_correlation(first, second, inversion=True).flatten(1).amax(1)
