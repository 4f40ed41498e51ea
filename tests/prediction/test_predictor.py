"""Predictions are moved to the origin and hand of their crystals, whatever batch they are in."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from phaselearn.benchmark.regimes import InputPreparation, Regime
from phaselearn.data.batch import Batch
from phaselearn.data.pair_maps import make_density
from phaselearn.data.preparation.observation import Observation
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.structures import Crystal
from phaselearn.losses.mse import MeanSquaredError
from phaselearn.models.base import DensityModel
from phaselearn.prediction.predictor import Predictor
from tests.conftest import FULL


class Elsewhere(DensityModel):
    """The true density at another origin, in the other hand and on another scale."""

    def forward(self, batch: Batch) -> Tensor:
        density = make_density(batch["lattice"], batch["numbers"], batch["positions"], self.definition)
        return 7 * density.float().flip(1, 2, 3).roll((2, 3, 1), (1, 2, 3))


@pytest.fixture(scope="module")
def crystals() -> list[Crystal]:
    return list(Prototypes(count=12, seed=0, cell="primitive"))


def predictor(batch_size: int, observation: Observation) -> Predictor:
    model = Elsewhere(loss=MeanSquaredError(), definition=FULL)
    return Predictor(model, Regime("any", FULL, observation), InputPreparation(), 0, batch_size)


def test_maps_lie_on_their_crystals(crystals: list[Crystal]) -> None:
    judged = 0
    for crystal, found in zip(crystals, predictor(5, Observation()).predictions(crystals), strict=True):
        assert found.crystal is crystal
        if not found.judged:
            continue
        judged += 1
        assert found.correlation == pytest.approx(1, abs=1e-3)
        assert found.solved
        lattice, numbers, positions = (
            torch.from_numpy(values)[None] for values in (crystal.lattice, crystal.numbers, crystal.positions)
        )
        [truth] = make_density(lattice, numbers, positions, FULL).numpy()
        assert np.corrcoef(truth.ravel(), found.density.ravel())[0, 1] > 0.99
    assert judged > 5


def test_noise_does_not_depend_on_the_batch(crystals: list[Crystal]) -> None:
    noisy = Observation(noise=0.3)
    one, together, ideal = (
        [found.floor for found in predictor(size, observation).predictions(crystals)]
        for size, observation in ((1, noisy), (12, noisy), (12, Observation()))
    )
    assert one == pytest.approx(together, abs=1e-4)
    assert one != pytest.approx(ideal, abs=1e-2)
