"""The solver as a model of conf/model: amplitudes in, the best of several starts out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from phaselearn.crystal.judgement import with_phases_of
from phaselearn.crystal.observed import Observed
from phaselearn.models.classical import ClassicalModel
from phaselearn.phasing.refinement import Refinement
from phaselearn.phasing.solution import Solution, Stage
from phaselearn.phasing.starts import Starts
from phaselearn.solver.multi_start import Choice, MultiStart, StartPlan, Symmetry


class Solver(ClassicalModel):
    """Phases crystals from several starts; the best are refined as atoms, one is chosen.

    Nothing here is trained: a network among the starts comes with its weights. The choice among the starts of a crystal
    rests on R and on the map correlation that they expect, never on the truth.

    Args:
        starts: source of the trial phases.
        plan: the number of starts of a crystal.
        symmetry: the symmetry that is imposed on their maps.
        choice: settings for the choice of the best start.
        refinement: fits atoms to |F|, beginning with the trial phases; None leaves these as they are.
        seed: seed of the trial phases.
        options: the arguments of `DensityModel`.
    """

    chaotic = True  # charge flipping is

    def __init__(
        self,
        *,
        starts: Starts,
        plan: StartPlan,
        symmetry: Symmetry,
        choice: Choice,
        refinement: Refinement | None,
        seed: int,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.starts = starts  # a network among them moves to the device of the model
        self.search = MultiStart(
            starts=starts, plan=plan, symmetry=symmetry, choice=choice, refinement=refinement, seed=seed
        )

    def stages(self, observed: Observed, crystals: Sequence[int]) -> Iterator[Stage]:
        """Yield the best phases of B crystals so far, in float32, after each number of starts; see `solve`."""
        with torch.autocast(observed.amplitude.device.type, enabled=False):
            yield from self.search.stages(observed, crystals)

    def solve(self, observed: Observed, crystals: Sequence[int]) -> Solution:
        """Phase B crystals in float32.

        Args:
            observed: the crystals' reflections.
            crystals: (B,) a number for each crystal, its row in the store, which seeds its trial phases.
        """
        *_, last = self.stages(observed, crystals)
        return last.solution

    def phase(self, observed: Observed, crystals: list[int]) -> Tensor:
        """Return FFT boxes (B, n₁, n₂, n₃) of the map amplitudes with the phases found."""
        return with_phases_of(observed.map_amplitude(), self.solve(observed, crystals).factors)
