"""Maps and data that are not numbers: unsolved or left out, and nothing to the crystals beside them."""

import math

import pytest
import torch

from phaselearn.crystal.alignment import align
from phaselearn.crystal.judgement import judge
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.peaks import find_peaks
from phaselearn.metrics.phasing import PhasingMetric, observed_of, predicted_factors, summarise
from phaselearn.testing.batches import DEFINITION, small_batch

SPOILT = 1  # of the crystals of a batch
NO_MAPS = {
    "NaN": lambda density: density * torch.nan,
    "one NaN": lambda density: density.index_put((torch.tensor(3),), torch.tensor(torch.nan)),
    "infinite": lambda density: density + torch.inf,
    "one infinite": lambda density: density.index_put((torch.tensor(3),), torch.tensor(-torch.inf)),
    "zero": lambda density: 0 * density,
    "constant": lambda density: 0 * density + 0.731,
    "large and constant": lambda density: 0 * density - 1e6 / 3,
}
NO_DATA = {
    "NaN": lambda intensity: intensity * torch.nan,
    "zero": lambda intensity: 0 * intensity,
    "negative": lambda intensity: -intensity,
    "infinite": lambda intensity: intensity + torch.inf,
    "one reflection": lambda intensity: intensity * (intensity == intensity.max()),
}


def judged(batch, prediction, refine=True):
    metric = PhasingMetric(DEFINITION, refine)
    metric.update(prediction, batch)
    return metric.crystals()


def with_one_changed(values, change):
    changed = values.clone()
    changed[SPOILT] = change(values[SPOILT].flatten()).view_as(values[SPOILT])
    return changed


def assert_others_as(given, expected):
    others = [place for place in range(len(expected["row"])) if place != SPOILT]
    for name, values in expected.items():
        torch.testing.assert_close(given[name][others], values[others], rtol=1e-5, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize("kind", NO_MAPS)
def test_a_map_that_is_none_is_unsolved_and_its_neighbours_are_judged_as_ever(kind, refine):
    batch = small_batch(4)
    whole = judged(batch, batch["density"], refine)
    assert whole["solved"].all()
    assert not whole["failed"].any()
    given = judged(batch, with_one_changed(batch["density"], NO_MAPS[kind]), refine)
    assert_others_as(given, whole)
    assert given["counted"].all()
    assert given["failed"].tolist() == [False, True, False, False]
    assert given["correlation"][SPOILT] == 0
    assert given["phase_error"][SPOILT] == pytest.approx(90)
    assert given["floor"][SPOILT] == pytest.approx(float(whole["floor"][SPOILT]), abs=1e-5)
    assert given["gain"][SPOILT] < 0
    assert not given["solved"][SPOILT]
    summary = summarise(given)["all"]
    assert (summary["n"], summary["failed"], summary["solved"]) == (4, 1, 0.75)
    assert all(math.isfinite(summary[name]) for name in ("median_cc", "gain", "phase_error", "floor"))


def test_a_method_that_fails_on_half_is_no_better_than_noise_on_that_half():
    batch = small_batch(8)
    noise = torch.randn(batch["density"].shape, generator=torch.Generator().manual_seed(3))
    half = torch.arange(8)[:, None, None, None] % 2 == 0
    noisy, failing = (
        summarise(judged(batch, torch.where(half, batch["density"], other)))["all"]
        for other in (noise, torch.full_like(noise, torch.nan))
    )
    for name in ("solved", "strict", "median_cc", "gain"):
        assert failing[name] <= noisy[name]
    assert failing["phase_error"] >= noisy["phase_error"]


def test_a_reflection_without_a_phase_is_no_reflection_of_phase_zero():
    batch = small_batch(4)
    observed = observed_of(batch, DEFINITION)
    factors = predicted_factors(batch["density"], batch, DEFINITION)
    # Of the strongest quarter alone the phases are known.
    limit = observed.amplitude.flatten(1).quantile(0.75, dim=1)[:, None, None, None]
    strongest = factors * (observed.amplitude >= limit)
    judgement, _ = judge(strongest, observed, batch["numbers"], batch["positions"])
    power = observed.map_amplitude().square()
    share = (power * (observed.amplitude >= limit)).flatten(1).sum(1) / power.flatten(1).sum(1)
    torch.testing.assert_close(judgement.correlation, share.sqrt(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", NO_DATA)
def test_data_that_say_nothing_are_left_out_and_their_neighbours_are_judged_as_ever(kind):
    batch = small_batch(4)
    whole = judged(batch, batch["density"])
    given = judged(batch | {"intensity": with_one_changed(batch["intensity"], NO_DATA[kind])}, batch["density"])
    assert_others_as(given, whole)
    assert given["counted"].tolist() == [True, False, True, True]
    assert (summarise(given)["all"]["n"], summarise(given)["all"]["left_out"]) == (3, 1)


def test_an_intensity_that_is_no_number_was_not_observed():
    batch = small_batch(2)
    place = (SPOILT, 1, 2, 0)
    spoilt, unmeasured = batch["intensity"].clone(), batch["observed"].clone()
    spoilt[place], unmeasured[place] = torch.nan, False
    # Its mate is the same reflection.
    unmeasured[SPOILT, -1, -2, 0] = False
    assert_close_judgements(
        judged(batch | {"intensity": spoilt}, batch["density"]),
        judged(batch | {"observed": unmeasured}, batch["density"]),
    )


def assert_close_judgements(given, expected):
    for name, values in expected.items():
        torch.testing.assert_close(given[name], values, rtol=1e-5, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_the_scale_of_the_data_and_of_the_map_do_not_matter(scale):
    batch = small_batch(2)
    scaled = batch | {"intensity": batch["intensity"] * scale}
    assert_close_judgements(
        judged(scaled, batch["density"] * scale, refine=False), judged(batch, batch["density"], refine=False)
    )


@pytest.mark.parametrize("part", ["positions", "lattice"])
def test_a_truth_that_is_no_number_is_left_out(part):
    batch = small_batch(4)
    whole = judged(batch, batch["density"])
    spoilt = batch[part].clone()
    spoilt[SPOILT] = torch.nan
    given = judged(batch | {part: spoilt}, batch["density"])
    assert_others_as(given, whole)
    assert given["counted"].tolist() == [True, False, True, True]


def test_octants_leave_out_what_is_no_number():
    intensity = torch.ones(1, 10, 10, 10)
    intensity[0, 1, 2, 3] = torch.nan
    observed = Observed.from_intensity(intensity, torch.ones_like(intensity).bool(), "octant", 5 * torch.eye(3)[None])
    assert torch.isfinite(observed.amplitude).all()
    assert not observed.mask[0, 1, 2, 3]
    assert not observed.mask[0, -1, 2, -3]
    assert observed.mask[0, 1, 2, 4]


def test_peaks_and_origins_of_the_others_stay_what_they_are():
    batch = small_batch(3)
    factors = predicted_factors(batch["density"], batch, DEFINITION)
    maps, boxes = batch["density"].clone(), factors.clone()
    maps[SPOILT, 0, 0, 0] = torch.inf
    boxes[SPOILT, 1, 1, 1] = torch.nan
    peaks, whole = (find_peaks(values, batch["lattice"], 4) for values in (maps, batch["density"]))
    assert torch.isneginf(peaks.heights[SPOILT]).all()
    assert torch.equal(peaks.heights[[0, 2]], whole.heights[[0, 2]])
    alignment, whole = (align(values, factors) for values in (boxes, factors))
    assert alignment.correlation[SPOILT] == 0
    assert torch.isfinite(alignment.shift).all()
    torch.testing.assert_close(alignment.correlation[[0, 2]], whole.correlation[[0, 2]])
