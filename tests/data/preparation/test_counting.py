"""Counted intensities, and whether their σ is what it says."""

import pytest
import torch

from phaselearn.crystal.layout import friedel_mate, inside_nyquist
from phaselearn.data.batch import Batch
from phaselearn.data.pair_maps import make_intensity
from phaselearn.data.preparation.counting import Counting
from phaselearn.data.preparation.observation import Observation
from phaselearn.errors import UserError
from tests.conftest import FULL, random_crystals


@pytest.fixture(scope="module")
def crystals():
    return random_crystals(60, 8, seed=1)


@pytest.fixture(scope="module")
def intensity(crystals):
    return make_intensity(*crystals, FULL)


@pytest.fixture(scope="module")
def mask():
    inside = inside_nyquist(10).clone()
    inside[0, 0, 0] = False
    return inside


def scaled(intensity, mask, counts):
    """Return intensities in counts, of the mean that is asked for."""
    mean = (intensity * mask).flatten(1).sum(1) / mask.sum()
    return intensity * (counts / mean)[:, None, None, None]


@pytest.mark.parametrize(
    "counting",
    [Counting(3000, 40, 0.02), Counting(300, 100, 0.03), Counting(50, 200, 0.0)],
    ids=["strong", "middle", "weak"],
)
def test_errors_over_their_sigma_have_mean_zero_and_variance_one(counting, intensity, mask):
    found, sigma = counting.measure(intensity, mask.expand_as(intensity), "full", list(range(60)))
    error = ((found - scaled(intensity, mask, counting.counts)) / sigma)[:, mask]
    assert error.mean().item() == pytest.approx(0, abs=0.1)
    assert error.var().item() == pytest.approx(1, abs=0.1)


def test_a_large_error_in_proportion_is_that_of_the_amplitude_twice(intensity, mask):
    found, sigma = Counting(1e6, 1, 0.36).measure(intensity, mask.expand_as(intensity), "full", list(range(60)))
    true = scaled(intensity, mask, 1e6)
    strong = mask & (true > 1e4)
    relative = found[strong].clamp_min(0).sqrt() / true[strong].sqrt() - 1
    assert relative.std().item() == pytest.approx(0.18, abs=0.02)
    # The σ of a found intensity scatters as it does; half of the errors are still within two thirds of it.
    within = ((found - true).abs() < 0.6745 * sigma)[strong]
    assert within.double().mean().item() == pytest.approx(0.5, abs=0.05)


def test_mates_are_counted_once_and_crystals_alone(intensity, mask):
    measured = Counting([100, 1000]).measure(intensity, mask.expand_as(intensity), "full", list(range(60)))
    for values in measured:
        torch.testing.assert_close(values[:, mask], friedel_mate(values)[:, mask])
    alone = Counting([100, 1000]).measure(intensity[4:5], mask[None], "full", [4])
    for values, one in zip(measured, alone, strict=True):
        torch.testing.assert_close(values[4:5], one)


def test_a_batch_holds_sigma_where_something_was_measured(crystals, intensity):
    ideal = Batch(intensity=intensity.float(), lattice=crystals[0].float())
    batch = Observation(d_min=1.5, counting=Counting(100)).apply(ideal, "full", list(range(60)))
    assert torch.equal(batch["sigma"] > 0, batch["observed"])
    assert (batch["intensity"] >= 0).all()
    assert "sigma" not in Observation(d_min=1.5).apply(ideal, "full", list(range(60)))


def test_absent_reflections_alone_are_noise_on_the_background_and_what_is_unmeasured_stays_zero():
    # The mean of what is measured is rounding: scaled to 1,000 counts, the others would be beyond all numbers.
    intensity = torch.full((1, 4, 4, 4), 1e4)
    intensity[0, 0, 0, 1:] = 1e-22
    mask = torch.zeros(1, 4, 4, 4, dtype=torch.bool)
    mask[0, 0, 0, 1:] = True
    ideal = Batch(intensity=intensity, lattice=3 * torch.eye(3)[None], observed=mask)
    batch = Observation(counting=Counting(1000, 25, 0.03)).apply(ideal, "octant", [0])
    assert (batch["sigma"][mask] >= 5).all()
    assert (batch["sigma"][mask] < 7).all()
    assert (batch["intensity"][mask] < 25).all()
    assert (batch["sigma"][~mask] == 0).all()
    assert (batch["intensity"][~mask] == 0).all()


@pytest.mark.parametrize("given", [{"counts": 0}, {"background": -1}, {"instrument": 2.0}])
def test_impossible_counting_is_refused(given):
    with pytest.raises(UserError, match=f"observation.counting.{next(iter(given))}="):
        Counting(**given)
