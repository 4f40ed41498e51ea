"""Promises of the parameter-free models beyond the contract."""

from dataclasses import replace

import pytest
import torch

from phaselearn.crystal.judgement import judge
from phaselearn.data.pair_maps import make_pairs
from phaselearn.data.pairs import PairDefinition
from phaselearn.losses.mse import MeanSquaredError
from phaselearn.metrics.phasing import observed_of, predicted_factors
from phaselearn.models.charge_flipping import ChargeFlippingModel
from phaselearn.models.phase_zero import PhaseZero
from phaselearn.models.raar import RelaxedReflectionsModel
from phaselearn.models.random_phase import RandomPhase
from phaselearn.phasing.search import Polishing
from phaselearn.testing.batches import DEFINITION, small_batch
from tests.phasing.plan import PLAN

SEARCH = replace(PLAN, check_every=30, polishing=Polishing(density_share=0.1, cycles=5, final_cycles=5))
BUILDERS = {
    "phase_zero": lambda definition: PhaseZero(loss=MeanSquaredError(), definition=definition),
    "random_phase": lambda definition: RandomPhase(0, loss=MeanSquaredError(), definition=definition),
    "charge_flipping": lambda definition: ChargeFlippingModel(
        60, [1.0], 0.2, 0.7, 0.2, SEARCH, 0, loss=MeanSquaredError(), definition=definition
    ),
    "raar": lambda definition: RelaxedReflectionsModel(
        60, 0.8, [0.08], SEARCH, 0, loss=MeanSquaredError(), definition=definition
    ),
}


def correlation(model, batch):
    factors = predicted_factors(model(batch), batch, model.definition)
    judgement, _ = judge(factors, observed_of(batch, model.definition), batch["numbers"], batch["positions"])
    return judgement.correlation


@pytest.mark.parametrize("name", BUILDERS)
def test_a_scrambled_truth_changes_nothing(name):
    batch = small_batch()
    model = BUILDERS[name](DEFINITION)
    scrambled = batch | {
        "density": torch.rand_like(batch["density"]),
        "numbers": batch["numbers"].flip(0),
        "positions": torch.rand_like(batch["positions"]),
        "input": torch.rand_like(batch["input"]),
    }
    without = {key: batch[key] for key in ("intensity", "observed", "lattice", "row")}
    expected = model(batch)
    assert torch.equal(model(scrambled), expected)
    assert torch.equal(model(without), expected)


def test_phase_zero_is_the_floor_of_the_judgement():
    batch = small_batch()
    model = PhaseZero(loss=MeanSquaredError(), definition=DEFINITION)
    factors = predicted_factors(model(batch), batch, DEFINITION)
    judgement, _ = judge(factors, observed_of(batch, DEFINITION), batch["numbers"], batch["positions"])
    torch.testing.assert_close(judgement.correlation, judgement.floor, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["charge_flipping", "raar"])
def test_methods_solve_small_crystals(name):
    batch = small_batch(6)
    assert (correlation(BUILDERS[name](DEFINITION), batch) > 0.9).float().mean() >= 0.8


@pytest.mark.parametrize("name", BUILDERS)
def test_the_origin_and_hand_of_the_crystal_change_no_result(name):
    batch = small_batch(4)
    moved = batch | {"positions": (0.3 - batch["positions"]) % 1.0}
    intensity, density = make_pairs(batch["lattice"], batch["numbers"], moved["positions"], DEFINITION)
    moved |= {"intensity": intensity, "density": density}
    model = BUILDERS[name](DEFINITION)
    torch.testing.assert_close(correlation(model, batch), correlation(model, moved), rtol=0, atol=0.02)


@pytest.mark.parametrize("frame", ["fractional", "cartesian"])
@pytest.mark.parametrize("layout", ["full", "octant"])
def test_densities_come_in_the_layout_and_frame_of_the_pairs(layout, frame):
    definition = PairDefinition(10, layout, "atomic_number", 0.0, "atomic_number", 0.35, frame, "point")
    batch = small_batch(definition=definition)
    density = BUILDERS["charge_flipping"](definition)(batch)
    assert density.shape == batch["density"].shape
    assert (correlation(BUILDERS["charge_flipping"](definition), batch) > 0.85).any()


def test_the_seed_chooses_the_random_phases():
    batch = small_batch()
    maps = [RandomPhase(seed, loss=MeanSquaredError(), definition=DEFINITION)(batch) for seed in (0, 0, 1)]
    assert torch.equal(maps[0], maps[1])
    assert not torch.allclose(maps[0], maps[2])
