"""Pairs as an experiment would measure them: resolution, missing reflections, noise."""

import pytest
import torch

from phaselearn.crystal.layout import friedel_mate, inside_nyquist
from phaselearn.data.batch import Batch
from phaselearn.data.pair_maps import make_pairs
from phaselearn.data.preparation.observation import Observation
from phaselearn.errors import UserError
from tests.conftest import FULL, random_crystals


def applied(observation, intensity, lattice, seeds):
    """Return intensities and mask of the full layout as they are measured."""
    batch = observation.apply(Batch(intensity=intensity, lattice=lattice), "full", seeds)
    return batch["intensity"], batch["observed"]


def test_resolution_limit_keeps_exactly_the_reflections_inside():
    lattice, numbers, positions = random_crystals(3, 5, seed=3)
    intensity, _ = make_pairs(lattice, numbers, positions, FULL)
    seen, mask = applied(Observation(d_min=1.5), intensity, lattice, [0, 1, 2])
    h = torch.fft.fftfreq(10, 0.1).double()
    hkl = torch.stack(torch.meshgrid(h, h, h, indexing="ij"), -1)
    s = (hkl @ torch.linalg.inv(lattice).mT[:, None, None]).norm(dim=-1)
    assert torch.equal(mask, (1 / s.clamp_min(1e-9) >= 1.5) & inside_nyquist(10))
    torch.testing.assert_close(seen[mask], intensity[mask])
    assert (seen[~mask] == 0).all()


def test_incomplete_data_lose_friedel_pairs_at_the_stated_rate():
    lattice, numbers, positions = random_crystals(20, 5, seed=4)
    intensity, _ = make_pairs(lattice, numbers, positions, FULL)
    _, mask = applied(Observation(completeness=0.7), intensity, lattice, list(range(20)))
    assert torch.equal(mask, friedel_mate(mask))
    share = mask.sum().item() / (20 * inside_nyquist(10).sum().item())
    assert share == pytest.approx(0.7, abs=0.02)
    assert not torch.equal(mask[0], mask[1])


def test_noise_has_the_stated_size_and_keeps_friedel_pairs():
    lattice, numbers, positions = random_crystals(20, 5, seed=5)
    intensity, _ = make_pairs(lattice, numbers, positions, FULL)
    noisy, _ = applied(Observation(noise=0.1), intensity, lattice, list(range(20)))
    torch.testing.assert_close(noisy, friedel_mate(noisy))
    strong = intensity > 1e-3 * intensity.amax()
    error = (noisy[strong].sqrt() / intensity[strong].sqrt()) - 1
    assert error.std().item() == pytest.approx(0.1, rel=0.05)
    assert error.mean().item() == pytest.approx(0, abs=0.01)


def test_displacement_damps_amplitudes_as_the_structure_factors_do():
    lattice, numbers, positions = random_crystals(3, 5, seed=6)
    from dataclasses import replace

    still, _ = make_pairs(lattice, numbers, positions, FULL)
    moving, _ = make_pairs(lattice, numbers, positions, replace(FULL, b_iso=2.0))
    seen, _ = applied(Observation(b_iso=2.0), still, lattice, [0, 1, 2])
    torch.testing.assert_close(seen, moving)


@pytest.mark.parametrize("changes", [{"d_min": -1.0}, {"completeness": 0.0}, {"completeness": 1.5}, {"noise": -0.1}])
def test_impossible_observations_are_refused(changes):
    with pytest.raises(UserError, match=f"observation.{next(iter(changes))}"):
        Observation(**changes)


def test_an_intensity_that_is_no_number_is_unmeasured_and_one_below_zero_is_nothing():
    lattice, numbers, positions = random_crystals(3, 5, seed=3)
    intensity, _ = make_pairs(lattice, numbers, positions, FULL)
    sound, whole = applied(Observation(), intensity, lattice, [0, 1, 2])
    damaged = intensity.clone()
    damaged[1, 1, 2, 3], damaged[1, 2, 2, 2], damaged[2, 0, 1, 0] = torch.nan, torch.inf, -5.0
    seen, mask = applied(Observation(), damaged, lattice, [0, 1, 2])
    unmeasured = [(1, 1, 2, 3), (1, 2, 2, 2)]
    assert [tuple(place) for place in (whole & ~mask).nonzero().tolist()] == unmeasured
    changed = [tuple(place) for place in (seen != sound).nonzero().tolist()]
    assert changed == [*unmeasured, (2, 0, 1, 0)]
    assert (seen[changed[0]], seen[changed[1]], seen[changed[2]]) == (0, 0, 0)
