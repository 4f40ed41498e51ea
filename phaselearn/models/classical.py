"""What the parameter-free models share: intensities in, density out, the truth never looked at."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from phaselearn.crystal.cartesian import cartesian_map
from phaselearn.crystal.density import map_from_structure_factors
from phaselearn.crystal.judgement import Observed
from phaselearn.models.base import Batch, DensityModel
from phaselearn.phasing.measurement import Measurement
from phaselearn.phasing.search import Method, SearchPlan, Solution, search


class ClassicalModel(DensityModel):
    """A method without parameters; a loss and an optimiser may be given, and are not used in `forward`.

    A subclass writes `phase`. The density is the synthesis of |F|·exp(−B s²/4), B = 4 Å², with its phases,
    F(000) left out. Only `intensity`, `observed`, `lattice` and `row` of a batch are read; `row` seeds the
    random starting phases, so that a result depends neither on the other crystals of the batch nor on their
    order.
    """

    def phase(self, measurement: Measurement, crystals: list[int]) -> Tensor:
        """Return half boxes (B, N, N, N/2 + 1) of a measurement of B crystals with these row numbers."""
        raise NotImplementedError(f"{type(self).__name__} has no phase")

    def measurement_of(self, batch: Batch) -> Measurement:
        """Return what was measured of a batch."""
        observed = Observed.from_intensity(
            batch["intensity"].float(), batch["observed"], self.definition.layout, batch["lattice"].float()
        )
        return Measurement.of(observed)

    def density_of(self, factors: Tensor, measurement: Measurement) -> Tensor:
        """Return the density (B, N, N, N) of half boxes, in the frame of the pairs."""
        synthesis = cartesian_map if self.definition.frame == "cartesian" else map_from_structure_factors
        return synthesis(measurement.full_box(factors), measurement.lattice)

    @torch.no_grad()
    def forward(self, batch: Batch) -> Tensor:
        """Return the density (B, N, N, N) in electrons/Å³."""
        with torch.autocast(batch["intensity"].device.type, enabled=False):
            measurement = self.measurement_of(batch)
            return self.density_of(self.phase(measurement, batch["row"].tolist()), measurement)


class SearchingModel(ClassicalModel):
    """An iterative method with random restarts, the best of them chosen without the truth.

    Args:
        method: runs its iterations on starting phases.
        plan: how long to search.
        seed: of the starting phases.
        options: of `DensityModel`.
    """

    def __init__(self, method: Method, plan: SearchPlan, seed: int, **options: Any) -> None:
        super().__init__(**options)
        self.method = method
        self.plan = plan
        self.seed = seed

    @torch.no_grad()
    def solve(self, measurement: Measurement, crystals: list[int]) -> Solution:
        """Return the best phases with their figures of merit."""
        return search(measurement, self.method, self.plan, self.seed, crystals)

    def phase(self, measurement: Measurement, crystals: list[int]) -> Tensor:
        """Return the best half boxes (B, N, N, N/2 + 1)."""
        return self.solve(measurement, crystals).factors
