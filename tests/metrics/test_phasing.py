"""The judgements gathered over batches."""

from dataclasses import replace

import pytest
import torch

from phaselearn.crystal.choices import SCATTERING
from phaselearn.crystal.judgement import atoms_found, judge
from phaselearn.crystal.layout import miller_indices
from phaselearn.crystal.scattering import Scattering
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.data.batch import Batch
from phaselearn.metrics.phasing import PhasingMetric, observed_of, predicted_factors, summarise
from phaselearn.testing.batches import DEFINITION, small_batch


@pytest.fixture(scope="module")
def batch():
    return small_batch(6)


@pytest.fixture(scope="module")
def prediction(batch):
    noise = torch.randn(batch["density"].shape, generator=torch.Generator().manual_seed(1))
    return batch["density"] + 2 * batch["density"].std() * noise


def test_batches_in_any_order_are_judged_as_one(batch, prediction):
    metric = PhasingMetric(DEFINITION, refine=True)
    for rows in (torch.tensor([4, 5, 3]), torch.tensor([1, 0, 2])):
        metric.update(prediction[rows], {name: values[rows] for name, values in batch.items()})
    given = metric.crystals()
    factors = predicted_factors(prediction, batch, DEFINITION)
    expected, _ = judge(factors, observed_of(batch, DEFINITION), batch["numbers"], batch["positions"])
    assert given["row"].tolist() == list(range(6))
    for name, values in expected.as_dict().items():
        torch.testing.assert_close(given[name], values, rtol=1e-4, atol=1e-4)


def test_atoms_are_looked_for_only_in_reports(batch, prediction):
    metric = PhasingMetric(DEFINITION, refine=False)
    metric.update(prediction, batch)
    crystals = metric.crystals()
    assert crystals["atoms_found"].isnan().all()
    assert crystals["strict"].isnan().all()


def test_the_share_of_atoms_found_is_that_of_the_atoms_that_the_map_shows():
    lattice = 9 * torch.eye(3, dtype=torch.float64)[None]
    positions = torch.tensor([[[0.1, 0.1, 0.1], [0.6, 0.1, 0.1], [0.1, 0.6, 0.1], [0.6, 0.6, 0.6]]]).double()
    numbers = torch.full((1, 4), 20)
    shown = torch.tensor([[20, 20, 20, 0]])
    spread = torch.exp(-0.2 * (miller_indices("full", 20).double() ** 2)).view(-1)
    factors = structure_factors(lattice, shown, positions, miller_indices("full", 20))
    damped = factors * spread[:, None, None] * spread[:, None] * spread
    assert atoms_found(damped, lattice, numbers, positions).item() == 0.75


def test_shares_and_medians_are_of_the_crystals_that_count():
    crystals = {
        "correlation": torch.tensor([0.95, 0.5, 0.7, 0.99]),
        "floor": torch.tensor([0.8, 0.4, 0.95, 0.8]),
        "gain": torch.tensor([0.75, 0.1, -5.0, 0.9]),
        "phase_error": torch.tensor([10.0, 60.0, 40.0, 1.0]),
        "solved": torch.tensor([True, False, False, True]),
        "strict": torch.tensor([0.0, 0.0, 0.0, 1.0]),
        "hard": torch.tensor([True, True, False, True]),
        "counted": torch.tensor([True, True, True, False]),
        "failed": torch.tensor([False, True, False, False]),
        "prototype_seen": torch.tensor([True, False, False, True]),
        "row": torch.arange(4),
    }
    hard = summarise(crystals)["hard"]
    assert (hard["n"], hard["left_out"], hard["failed"], hard["solved"], hard["strict"]) == (2, 1, 1, 0.5, 0.0)
    assert hard["median_cc"] == pytest.approx(0.725)
    assert summarise(crystals)["unseen_prototype"]["n"] == 2


def test_the_true_phases_are_those_of_the_scattering_that_was_measured():
    definition = replace(DEFINITION, scattering="neutron")
    batch = small_batch(4, definition=definition)
    batch["u_iso"] = 0.08 * torch.rand(batch["numbers"].shape, generator=torch.Generator().manual_seed(2))
    indices = miller_indices("full", DEFINITION.size)
    true = structure_factors(
        batch["lattice"], batch["numbers"], batch["positions"], indices, Scattering("neutron", batch["u_iso"])
    )
    batch["intensity"] = true.abs().square() * batch["observed"]
    map_of_truth = torch.fft.fftn(true * batch["observed"], dim=(1, 2, 3)).real
    measured = batch | Batch(probe=torch.full((4,), SCATTERING.index("neutron")))

    def correlation(named, given):
        metric = PhasingMetric(named, refine=False)
        metric.update(map_of_truth, given)
        return metric.crystals()["correlation"]

    torch.testing.assert_close(correlation(definition, batch), torch.ones(4))
    torch.testing.assert_close(correlation(DEFINITION, measured), torch.ones(4))
    assert (correlation(DEFINITION, batch) < 0.995).all()  # with the phases of point atoms
