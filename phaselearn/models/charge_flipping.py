"""Charge flipping as a model of conf/model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phaselearn.models.classical import SearchingModel
from phaselearn.phasing.charge_flipping import ChargeFlipping
from phaselearn.phasing.search import SearchPlan


class ChargeFlippingModel(SearchingModel):
    """Charge flipping (Oszlányi and Sütő 2004), restarted until two results agree.

    Args:
        iterations, thresholds, end_threshold, annealing, weak_share: the settings of `ChargeFlipping`.
        search: the length of the search, and its checks.
        seed: seed of the starting phases.
        options: the arguments of `DensityModel`.
    """

    def __init__(
        self,
        iterations: int,
        thresholds: Sequence[float],
        end_threshold: float,
        annealing: float,
        weak_share: float,
        search: SearchPlan,
        seed: int,
        **options: Any,
    ) -> None:
        method = ChargeFlipping(iterations, tuple(thresholds), end_threshold, annealing, weak_share)
        super().__init__(method, search, seed, **options)
