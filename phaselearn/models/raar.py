"""Relaxed averaged alternating reflections as a model of conf/model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phaselearn.models.classical import SearchingModel
from phaselearn.phasing.raar import RelaxedReflections
from phaselearn.phasing.search import SearchPlan


class RelaxedReflectionsModel(SearchingModel):
    """Relaxed averaged alternating reflections (Luke 2005), restarted until two results agree.

    Args:
        iterations, beta, density_shares: the settings of `RelaxedReflections`.
        search: the length of the search, and its checks.
        seed: seed of the starting phases.
        options: the arguments of `DensityModel`.
    """

    def __init__(
        self,
        iterations: int,
        beta: float,
        density_shares: Sequence[float],
        search: SearchPlan,
        seed: int,
        **options: Any,
    ) -> None:
        method = RelaxedReflections(iterations, beta, tuple(density_shares))
        super().__init__(method, search, seed, **options)
