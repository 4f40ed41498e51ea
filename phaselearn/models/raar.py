"""Relaxed averaged alternating reflections as a model of conf/model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phaselearn.models.classical import SearchingModel
from phaselearn.phasing.raar import RelaxedReflections
from phaselearn.phasing.search import SearchPlan


class RelaxedReflectionsModel(SearchingModel):
    """Relaxed averaged alternating reflections with restarts until two agree.

    Args:
        iterations, beta, density_shares, finishing: see `RelaxedReflections`.
        restarts, rounds, agreement, oversampling, crystals_at_once: see `SearchPlan`.
        seed: of the starting phases.
        options: of `DensityModel`.
    """

    def __init__(
        self,
        iterations: int,
        beta: float,
        density_shares: Sequence[float],
        finishing: int,
        restarts: int,
        rounds: int,
        agreement: float,
        oversampling: float,
        crystals_at_once: int,
        seed: int,
        **options: Any,
    ) -> None:
        method = RelaxedReflections(iterations, beta, tuple(density_shares), finishing)
        plan = SearchPlan(restarts, rounds, agreement, density_shares[0], oversampling, crystals_at_once)
        super().__init__(method, plan, seed, **options)
