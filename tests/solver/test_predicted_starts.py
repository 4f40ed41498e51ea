"""Trial phases of a density that a network predicts in one pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from phaselearn.crystal.judgement import judge
from phaselearn.data.batch import Batch
from phaselearn.data.pair_maps import make_pairs
from phaselearn.data.pairs import PairDefinition
from phaselearn.losses.mse import MeanSquaredError
from phaselearn.models.base import DensityModel
from phaselearn.solver.predicted_starts import PredictedStarts
from phaselearn.testing.batches import DEFINITION, small_batch
from tests.solver.crystals import factors_of, observed_to, triclinic

OCTANT = replace(DEFINITION, layout="octant")
SMALLER = replace(DEFINITION, size=12)


class Known(DensityModel):
    """Predicts densities that it has been given, and keeps the batch."""

    def __init__(self, density: Tensor, definition: PairDefinition) -> None:
        super().__init__(loss=MeanSquaredError(), definition=definition)
        self.density = density

    def forward(self, batch: Batch) -> Tensor:
        self.batch = batch
        return self.density


def starts(model: DensityModel, **changes: Any) -> PredictedStarts:
    options = {"transform": "amplitude", "scaling": "none", "sees_total": True, "density_share": 0.08, "cycles": 20}
    return PredictedStarts(model, **options | changes)


def test_the_first_start_has_the_phases_of_the_density_and_others_are_half_random() -> None:
    """The box of the network holds |h| < 6 of the reflections that were measured up to 7."""
    lattice, numbers, positions = triclinic(4, seed=5)
    lattice = lattice + 3 * torch.eye(3)
    observed = observed_to(0.9, lattice, factors_of(lattice, numbers, positions))
    _, density = make_pairs(lattice, numbers, positions, SMALLER)
    model = Known(density, SMALLER)

    def correlation(found: Tensor) -> Tensor:
        return judge(found, observed, numbers, positions, refine=False)[0].correlation

    made = starts(model)(observed, [0, 1, 2, 3], 0, range(1)).factors
    assert (correlation(made) > correlation(made * observed.cut_box(5).mask)).all()
    assert correlation(made).min() > 0.95
    # Without cycles that mend phases.
    rough = starts(model, cycles=0)(observed, [0, 1, 2, 3], 0, range(3)).factors
    assert not torch.allclose(rough[1::3], rough[2::3], rtol=0.1)
    for start in (1, 2):
        assert (correlation(rough[start::3]) < correlation(rough[::3])).all()
        assert correlation(rough[start::3]).min() > 0.4


@pytest.mark.parametrize("definition", [DEFINITION, OCTANT], ids=["full", "octant"])
def test_a_network_is_given_what_it_was_trained_on(definition: PairDefinition) -> None:
    batch = small_batch(definition=definition)
    lattice, numbers, positions = batch["lattice"], batch["numbers"], batch["positions"]
    # Measured on a larger box than the network's.
    observed = observed_to(0.5, lattice, factors_of(lattice, numbers, positions))
    model = Known(batch["density"], definition)
    starts(model)(observed, [0, 1, 2], 0, range(1))
    given = model.batch
    held = batch["observed"] & given["observed"]
    held[:, 0, 0, 0] = False
    assert held.float().mean() > 0.4
    for name, root in (("intensity", 2), ("input", 1)):
        scale = batch["intensity"].amax() ** (root / 2)
        torch.testing.assert_close(given[name][held] / scale, _known(batch, root)[held] / scale, rtol=1e-3, atol=1e-5)
    # The mean of |F|² is the sum of Z², but for the few reflections that there are.
    volume = lattice.det().abs()
    estimate = numbers.square().sum(1) * volume / 15
    torch.testing.assert_close(given["intensity"][:, 0, 0, 0], estimate, rtol=0.25, atol=0)
    starts(model, sees_total=False)(observed, [0, 1, 2], 0, range(1))
    assert (model.batch["intensity"][:, 0, 0, 0] == 0).all()


def _known(batch: Batch, root: int) -> Tensor:
    return batch["intensity"] ** (root / 2)
