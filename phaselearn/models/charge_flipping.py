"""Charge flipping as a model of conf/model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phaselearn.models.classical import SearchingModel
from phaselearn.phasing.charge_flipping import ChargeFlipping
from phaselearn.phasing.search import SearchPlan


class ChargeFlippingModel(SearchingModel):
    """Charge flipping with restarts until two agree.

    Args:
        iterations, thresholds, end_threshold, annealing, weak_share, density_share, finishing: see
            `ChargeFlipping`.
        restarts, rounds, agreement, oversampling, crystals_at_once: see `SearchPlan`.
        seed: of the starting phases.
        options: of `DensityModel`.
    """

    def __init__(
        self,
        iterations: int,
        thresholds: Sequence[float],
        end_threshold: float,
        annealing: float,
        weak_share: float,
        density_share: float,
        finishing: int,
        restarts: int,
        rounds: int,
        agreement: float,
        oversampling: float,
        crystals_at_once: int,
        seed: int,
        **options: Any,
    ) -> None:
        method = ChargeFlipping(
            iterations, tuple(thresholds), end_threshold, annealing, weak_share, density_share, finishing
        )
        plan = SearchPlan(restarts, rounds, agreement, density_share, oversampling, crystals_at_once)
        super().__init__(method, plan, seed, **options)
