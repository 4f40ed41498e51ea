"""Contracts of every option of conf/observation, and what each of them says that it measures."""

from functools import cache

import pytest
import torch
from hydra.utils import instantiate

from phaselearn.crystal.judgement import judge
from phaselearn.crystal.layout import friedel_mate, held_reflections, miller_indices
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.data.batch import Batch, map_batch
from phaselearn.data.pair_maps import make_intensity
from phaselearn.data.preparation.mixture import MixedObservation
from phaselearn.data.preparation.observation import Observation
from phaselearn.errors import UserError
from phaselearn.metrics.phasing import observed_of, scattering_of
from phaselearn.testing.options import composed, options
from tests.conftest import FULL, OCTANT, random_crystals
from tests.thinned import thinned

# These differ from d2.0 and lab1.2 in their resolution alone.
ALIKE = {"d1.0", "d1.5", "lab", "lab0.8", "lab1.0", "lab1.5", "lab2.0"}
OPTIONS = thinned(options("observation"), lambda option: option not in ALIKE)
SEEDS = list(range(40, 52))
LARGE = FULL.__class__(**{**FULL.as_dict(), "size": 20})


@cache
def observation(option):
    return instantiate(composed(f"observation={option}").observation)


def ideal(definition, count=12):
    crystals = random_crystals(count, 10, seed=2, edges=(4.0, 7.0))
    lattice = crystals[0].float()
    return Batch(
        intensity=make_intensity(lattice, *crystals[1:], definition),
        lattice=lattice,
        numbers=crystals[1],
        positions=crystals[2],
    )


@pytest.mark.parametrize("definition", [FULL, OCTANT], ids=["full", "octant"])
@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_measures_what_can_be_measured(option, definition):
    batch = ideal(definition)
    measured = observation(option).apply(batch, definition.layout, SEEDS)
    intensity, observed = measured["intensity"], measured["observed"]
    assert intensity.dtype == torch.float32
    assert torch.isfinite(intensity).all()
    assert (intensity >= 0).all()
    assert (intensity[~observed] == 0).all()
    assert not (observed & ~held_reflections(definition.layout, definition.size)).any()
    assert observed.flatten(1).any(1).all()
    if definition.layout == "full":
        torch.testing.assert_close(intensity, friedel_mate(intensity), rtol=1e-4, atol=1e-5 * intensity.amax().item())
        assert torch.equal(observed, friedel_mate(observed))
    for name in batch:
        if name != "intensity":
            assert torch.equal(measured[name], batch[name])


@pytest.mark.parametrize("option", OPTIONS)
def test_a_crystal_is_measured_the_same_in_every_batch_and_again(option):
    batch = ideal(FULL)
    whole = observation(option).apply(batch, "full", SEEDS)
    order = torch.tensor([7, 3])
    part = observation(option).apply(
        map_batch(batch, lambda values: values[order]), "full", [SEEDS[row] for row in order.tolist()]
    )
    assert whole.keys() == part.keys()
    for name, values in part.items():
        torch.testing.assert_close(
            values, whole[name][order], rtol=2e-4, atol=1e-4 * values.double().abs().max().item()
        )


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_that_is_random_measures_otherwise_another_time(option):
    batch, random = ideal(FULL), observation(option)
    first, second = (random.apply(batch, "full", seeds) for seeds in (SEEDS, [seed + 100 for seed in SEEDS]))
    same = all(torch.equal(first[name], second[name]) for name in ("intensity", "observed"))
    assert same != random.is_random


@pytest.mark.parametrize("option", OPTIONS)
def test_the_true_phases_are_those_of_the_atoms_that_were_measured(option):
    batch = ideal(LARGE)
    measured = observation(option).apply(batch, "full", SEEDS)
    observed, scattering = observed_of(measured, LARGE), scattering_of(measured, LARGE)
    atoms = batch["numbers"], batch["positions"]
    true = structure_factors(batch["lattice"], *atoms, miller_indices("full", 20), scattering)
    judgement, _ = judge(true, observed, *atoms, scattering, refine=False)
    assert judgement.counted.any()
    assert (judgement.correlation[judgement.counted] > 0.99).all()


@pytest.mark.parametrize(
    ("option", "d_min"),
    [
        ("lab", 0.8),
        ("lab0.8", 0.8),
        ("lab1.0", 1.0),
        ("lab1.2", 1.2),
        ("lab1.5", 1.5),
        ("lab2.0", 2.0),
        ("ed", 1.0),
        ("dac", 0.8),
    ],
)
def test_measured_options_end_at_their_resolution_without_the_direct_beam(option, d_min):
    measured = observation(option).apply(ideal(LARGE), "full", SEEDS)
    whole = Observed(measured["intensity"], measured["observed"], measured["lattice"])
    assert not (measured["observed"] & ~whole.within(d_min)).any()
    assert (measured["observed"] & ~whole.within(d_min + 0.05)).any()
    assert not measured["observed"][:, 0, 0, 0].any()
    assert {"sigma", "u_iso", "probe"} <= measured.keys()


def share_measured(option, d_min):
    batch = ideal(LARGE, 60)
    measured = observation(option).apply(batch, "full", list(range(60)))
    possible = Observed(measured["intensity"], measured["observed"], measured["lattice"]).within(d_min)
    possible = possible & held_reflections("full", 20)
    return measured["observed"].flatten(1).sum(1) / (possible.flatten(1).sum(1) - 1)


def test_each_option_measures_the_share_that_it_says():
    lab, ed, dac = share_measured("lab", 0.8), share_measured("ed", 1.0), share_measured("dac", 0.8)
    assert ((lab > 0.92) & (lab <= 1)).all()
    assert ed.mean().item() == pytest.approx(0.975 * 2 / 3, abs=0.03)
    assert ((dac > 0.33) & (dac < 0.52)).all()
    assert 0.38 < dac.mean() < 0.48


def test_the_strongest_reflections_are_those_that_are_lost():
    batch = ideal(LARGE)
    kept = Observation(d_min=0.9, overloaded=0.05).apply(batch, "full", SEEDS)["observed"]
    all_of_them = Observation(d_min=0.9).apply(batch, "full", SEEDS)["observed"]
    lost = all_of_them & ~kept
    for row in (batch["numbers"] > 0).sum(1).gt(1).nonzero()[:, 0]:  # of one atom, all are equally strong
        measured = all_of_them[row].sum()
        assert 0.04 * measured < lost[row].sum() <= 0.05 * measured + 0.5
        assert batch["intensity"][row][lost[row]].min() > batch["intensity"][row][kept[row]].max()


def test_a_mixture_measures_each_crystal_by_one_of_its_options():
    mixture = observation("measured")
    assert len(mixture.options) == 8
    batch = ideal(FULL, 60)
    seeds = list(range(60))
    mixed = mixture.apply(batch, "full", seeds)
    each = [option.apply(batch, "full", seeds) for option in mixture.options.values()]
    found = [
        [row for row in range(60) if torch.allclose(mixed["intensity"][row], one["intensity"][row], rtol=1e-3)]
        for one in each
    ]
    assert set().union(*found) == set(range(60))
    assert all(found)
    assert set(mixed["probe"].tolist()) == {1, 2}


def test_a_mixture_of_what_counts_and_what_does_not_is_refused():
    with pytest.raises(UserError, match=r"observation\.options=one,other"):
        MixedObservation({"one": observation("lab"), "other": Observation()})
