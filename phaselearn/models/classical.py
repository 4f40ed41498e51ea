"""The base classes of models without parameters, which turn intensities into density and never use the truth."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from phaselearn.crystal.cartesian import cartesian_map
from phaselearn.crystal.density import map_from_structure_factors
from phaselearn.crystal.observed import Observed
from phaselearn.data.batch import Batch
from phaselearn.metrics.phasing import observed_of
from phaselearn.models.base import DensityModel
from phaselearn.phasing.search import Method, SearchPlan, search
from phaselearn.phasing.solution import Solution


class ClassicalModel(DensityModel):
    """A method without parameters; the loss and the optimiser are not used in `forward`.

    A subclass defines `phase`. The density is the synthesis of |F|·exp(−B s²/4), B = 4 Å², with its phases and without
    F(000). The method reads `intensity`, `observed`, `lattice` and `row` of a batch. `row` seeds the random starting
    phases, so the result for a crystal depends neither on the others in the batch nor on their order.
    """

    def phase(self, observed: Observed, crystals: list[int]) -> Tensor:
        """Return map amplitudes with phases, as FFT boxes (B, n₁, n₂, n₃), for crystals with these B row numbers."""
        raise NotImplementedError(f"{type(self).__name__} has no phase")

    def density_of(self, factors: Tensor, lattice: Tensor) -> Tensor:
        """Return the density (B, N, N, N) in electrons/Å³ of FFT boxes, in the frame of the pairs."""
        synthesis = cartesian_map if self.definition.frame == "cartesian" else map_from_structure_factors
        return synthesis(factors, lattice)

    @torch.no_grad()
    def forward(self, batch: Batch) -> Tensor:
        """Return the density (B, N, N, N) in electrons/Å³."""
        with torch.autocast(batch["intensity"].device.type, enabled=False):
            lattice = batch["lattice"].float()
            single = batch | Batch(intensity=batch["intensity"].float(), lattice=lattice)
            observed = observed_of(single, self.definition)
            return self.density_of(self.phase(observed, batch["row"].tolist()), lattice)


class SearchingModel(ClassicalModel):
    """An iterative method with random restarts; the best is chosen without the truth.

    Args:
        method: the iteration, which improves starting phases.
        plan: the length of the search, and its checks.
        seed: seed of the starting phases.
        options: the arguments of `DensityModel`.
    """

    def __init__(self, method: Method, plan: SearchPlan, seed: int, **options: Any) -> None:
        super().__init__(**options)
        self.method = method
        self.plan = plan
        self.seed = seed

    @torch.no_grad()
    def solve(self, observed: Observed, crystals: list[int]) -> Solution:
        """Return the best phases with their figures of merit."""
        return search(observed, self.method, self.plan, self.seed, crystals)

    def phase(self, observed: Observed, crystals: list[int]) -> Tensor:
        """Return the amplitudes with the best phases, as FFT boxes (B, n₁, n₂, n₃)."""
        return self.solve(observed, crystals).factors
