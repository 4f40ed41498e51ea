"""The solver as a model of conf/model: amplitudes in, the best of several starts out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from phaselearn.crystal.judgement import with_phases_of
from phaselearn.crystal.observed import Observed
from phaselearn.errors import UserError
from phaselearn.models.base import PhaseImprover
from phaselearn.models.classical import ClassicalModel
from phaselearn.phasing.refinement import Refinement
from phaselearn.phasing.solution import Solution
from phaselearn.solver.multi_start import Choice, Completion, MultiStart, StartPlan


class Solver(ClassicalModel):
    """Phases crystals from several starts, each improved by a network; the best are refined as atoms, one is chosen.

    Nothing here is trained: the network comes with its weights. The choice among the starts of a crystal rests on R and
    on the map correlation that the network expects, never on the truth.

    Args:
        network: a trained network that is a `PhaseImprover`.
        starts: the number of starts of a crystal, and their trial phases.
        completion: settings for the phases of reflections that the network did not see.
        choice: settings for the choice of the best start.
        refinement: fits atoms to |F|, beginning with the network's phases; None leaves these as they are.
        seed: seed of the trial phases.
        options: the arguments of `DensityModel`.

    Raises:
        UserError: the network is not a `PhaseImprover`.
    """

    chaotic = True  # charge flipping is

    def __init__(
        self,
        *,
        network: nn.Module,
        starts: StartPlan,
        completion: Completion,
        choice: Choice,
        refinement: Refinement | None,
        seed: int,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not isinstance(network, PhaseImprover):
            raise UserError(
                f"model.network is {type(network).__name__}, which improves no trial phases: leave model.network as it "
                "is, or give a network with the method `improve`, e.g. "
                "model.network._target_=phaselearn.models.unrolled_network.UnrolledNetwork"
            )
        self.network = network.requires_grad_(False)
        self.search = MultiStart(
            network=network,
            starts=starts,
            completion=completion,
            choice=choice,
            refinement=refinement,
            seed=seed,
        )

    def solve(self, observed: Observed, crystals: Sequence[int]) -> Solution:
        """Phase B crystals in float32.

        Args:
            observed: the crystals' reflections.
            crystals: (B,) a number for each crystal, its row in the store, which seeds its trial phases.
        """
        with torch.autocast(observed.amplitude.device.type, enabled=False):
            return self.search.solve(observed, crystals)

    def phase(self, observed: Observed, crystals: list[int]) -> Tensor:
        """Return FFT boxes (B, n₁, n₂, n₃) of the map amplitudes with the phases found."""
        return with_phases_of(observed.map_amplitude(), self.solve(observed, crystals).factors)
