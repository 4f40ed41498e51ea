"""Starts by a network: trial phases of another source, improved, and completed to phases of all reflections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from phaselearn.crystal.alignment import align
from phaselearn.crystal.judgement import with_phases_of
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.reflection_grid import ReflectionGrid, grid_shapes
from phaselearn.errors import UserError
from phaselearn.models.base import PhaseImprover
from phaselearn.phasing.solution import Solution
from phaselearn.phasing.starts import Starts
from phaselearn.precision import is_mixed
from phaselearn.solver.phase_extension import extend

_VOXELS_AT_ONCE = 1 << 18  # in the boxes of all trajectories that go through the network together


@dataclass(frozen=True, kw_only=True)
class Completion:
    """The completion of the network's phases to phases of all measured reflections.

    Attributes:
        finest: finest resolution in Å that the network works at; finer reflections are phased by extension.
        keep: whether finer reflections begin with the trial phases that the network was given. These help where
            flipping found them and not where they are random.
        density_share: share of the voxels that hold density, for the extension.
        cycles: cycles of the extension.
    """

    finest: float
    keep: bool
    density_share: float
    cycles: int

    def __call__(self, found: Tensor, begun: Tensor, observed: Observed) -> Tensor:
        """Return FFT boxes with phases of all measured reflections.

        Args:
            found: FFT boxes (B, n₁, n₂, n₃) with the network's phases.
            begun: FFT boxes (B, n₁, n₂, n₃) with the trial phases that it was given.
            observed: the crystals' reflections.
        """
        amplitude = observed.map_amplitude()
        inside = observed.within(self.finest)
        factors = with_phases_of(amplitude * inside, found)
        has_finer = (observed.mask & ~inside).flatten(1).any(1)
        if self.keep and has_finer.any():
            begun = with_phases_of(amplitude, begun)
            # The network is blind to the origin and drifts away from where it began.
            factors = align(factors, begun * inside).apply(factors) + begun * ~inside
        return extend(factors, observed, has_finer, self.density_share, self.cycles)


class NetworkStarts(nn.Module):
    """Trial phases that a network has improved.

    Args:
        network: a trained network that is a `PhaseImprover`.
        begin: the trial phases that it is given.
        completion: phases of the reflections that are too fine for the network.
        precision: `bf16-mixed`, in which the network's convolutions take half the time on a processor that has
            bfloat16, or `32-true`.

    Raises:
        UserError: the network is not a `PhaseImprover`, or the precision is unknown.
    """

    def __init__(self, network: nn.Module, begin: Starts, completion: Completion, precision: str) -> None:
        super().__init__()
        if not isinstance(network, PhaseImprover):
            raise UserError(
                f"starts.network is {type(network).__name__}, which improves no trial phases: give a network with the "
                "method `improve`, e.g. starts.network._target_=phaselearn.models.unrolled_network.UnrolledNetwork"
            )
        self.network = network.requires_grad_(False).eval()
        self.begin, self.completion = begin, completion
        self.is_mixed = is_mixed(precision)

    @torch.no_grad()
    def forward(self, observed: Observed, crystals: Sequence[int], seed: int, numbers: range) -> Solution:
        """Return the trial phases; see `phaselearn.phasing.starts.Starts`."""
        begun = self.begin(observed, crystals, seed, numbers).factors
        rows = torch.arange(len(crystals), device=observed.mask.device)
        everything = observed[rows.repeat_interleave(len(numbers))]
        factors, expected = torch.zeros_like(begun), everything.amplitude.new_zeros(len(begun))
        coarse = everything.cut(self.completion.finest)
        shapes = grid_shapes(coarse)
        for shape in shapes.unique(dim=0):
            voxels = int(shape.prod())
            first, second, third = shape.tolist()
            for some in (shapes == shape).all(1).nonzero()[:, 0].split(max(1, _VOXELS_AT_ONCE // voxels)):
                grid = ReflectionGrid.of(coarse[some], (first, second, third))
                with torch.autocast(begun.device.type, torch.bfloat16, enabled=self.is_mixed):
                    half, expected[some] = self.network.improve(grid, grid.on_grid(begun[some]))
                factors[some] = grid.full_box(half, observed.shape)
        return Solution(self.completion(factors, begun, everything), expected_correlation=expected)
