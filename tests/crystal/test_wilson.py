"""Scale and displacement by Wilson's statistics: on calculated crystals, and against cctbx."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from phaselearn.crystal.layout import friedel_mate, inside_nyquist, miller_box, miller_indices
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.scattering import Scattering
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.crystal.wilson import PRIOR_B, _excess, normalised, wilson_fit
from tests.conftest import random_crystals

SHAPE = (22, 26, 20)


def measured(crystals, probe="xray", b_iso=2.0, d_min=0.9, scale=1.0):
    """Return the complete amplitudes of crystals, times a scale, within a resolution."""
    lattice, numbers, positions = crystals
    u_iso = (torch.as_tensor(b_iso) / (8 * math.pi**2)).expand(len(numbers))[:, None].expand_as(numbers)
    factors = structure_factors(lattice, numbers, positions, miller_box(SHAPE), Scattering(probe, u_iso))
    intensity = (factors.abs() * torch.as_tensor(scale)[..., None, None, None]).square()
    mask = inside_nyquist(SHAPE).expand_as(intensity)
    return Observed(*_without_origin(intensity.sqrt() * mask, mask), lattice).cut(d_min)


def _without_origin(amplitude, mask):
    amplitude, mask = amplitude.clone(), mask.clone()
    amplitude[:, 0, 0, 0], mask[:, 0, 0, 0] = 0, False
    return amplitude, mask


@pytest.mark.parametrize("probe", ["atomic_number", "xray", "electron", "neutron"])
def test_scale_and_b_are_recovered_within_their_errors(probe):
    generator = torch.Generator().manual_seed(1)
    lattice, numbers, positions = random_crystals(60, 20, seed=11, edges=(5.0, 9.0))
    crystals = lattice, numbers.clamp_max(83), positions  # beyond bismuth, not all neutron lengths are known
    true_b = 0.3 + 5 * torch.rand(60, generator=generator, dtype=torch.float64)
    true_scale = torch.exp(4 * torch.randn(60, generator=generator, dtype=torch.float64))
    fit = wilson_fit(measured(crystals, probe, true_b, scale=true_scale), probe, crystals[1])
    b_error = (fit.fitted_b - true_b) / fit.b_error
    scale_error = (fit.scale / true_scale - 1) / fit.scale_error
    assert fit.b_error.median() < 0.35
    for error in (b_error, scale_error):
        assert (error.abs() < 3).double().mean() >= 0.97
        assert 0.4 < error.square().mean().sqrt() < 1.3


def test_b_of_an_unknown_composition_is_recovered_within_its_error():
    crystals = random_crystals(60, 20, seed=12, edges=(5.0, 9.0))
    true_b = torch.linspace(0.5, 5, 60, dtype=torch.float64)
    fit = wilson_fit(measured(crystals, "xray", true_b))
    error = (fit.fitted_b - true_b) / fit.b_error
    assert (error.abs() < 3).all()
    assert error.square().mean().sqrt() < 1.3


@pytest.mark.parametrize("factor", [1e-12, 0.3, 1e15])
def test_nothing_but_the_scale_depends_on_the_scale(factor):
    observed = measured(random_crystals(5, 8, seed=13))
    scaled = replace(observed, amplitude=observed.amplitude * factor)
    fit, other = wilson_fit(observed), wilson_fit(scaled)
    torch.testing.assert_close(other.b_iso, fit.b_iso)
    torch.testing.assert_close(other.scale, fit.scale * factor, rtol=1e-6, atol=0)
    torch.testing.assert_close(normalised(scaled, other).amplitude, normalised(observed, fit).amplitude)


@pytest.mark.parametrize("known", [True, False])
def test_the_mean_square_of_normalised_amplitudes_is_one_in_every_shell(known):
    crystals = random_crystals(40, 24, seed=14, edges=(6.0, 9.0))
    numbers = crystals[1] if known else None
    observed = measured(crystals, b_iso=torch.linspace(0.5, 5, 40, dtype=torch.float64))
    normal = normalised(observed, wilson_fit(observed, "xray", numbers), "xray", numbers)
    assert torch.equal(normal.mask, observed.mask)
    square = observed.inverse_d_squared()
    for inner, outer in ((0.1, 0.4), (0.4, 0.7), (0.7, 1.0), (1.0, 1.23)):
        shell = observed.mask & (square >= inner) & (square < outer)
        assert normal.amplitude[shell].square().mean() == pytest.approx(1, abs=0.12)


def test_equal_atoms_become_points_at_rest():
    lattice, numbers, positions = random_crystals(6, 20, seed=15, edges=(6.0, 8.0))
    crystals = lattice, torch.where(numbers > 0, 26, 0), positions
    observed = measured(crystals, b_iso=3.0)
    points = measured(crystals, "atomic_number", b_iso=0.0)
    fit = wilson_fit(observed, "xray", crystals[1])
    root = (crystals[1] ** 2).sum(1).double().sqrt()[:, None, None, None]
    ours = normalised(observed, fit, "xray", crystals[1]).amplitude * root
    ratio = [(ours[row] / points.amplitude[row])[points.amplitude[row] > 1e-3] for row in range(6)]
    # All that is left is the error of the fit: the factor is smooth in s.
    for row, of_one in enumerate(ratio):
        assert of_one.std() < 0.1
        assert of_one.mean() == pytest.approx(1, abs=3 * fit.scale_error[row].item() + 0.05)


def test_data_that_say_little_of_b_get_the_prior_and_none_is_negative():
    crystals = random_crystals(8, 12, seed=16, edges=(5.0, 7.0))
    coarse = wilson_fit(measured(crystals, b_iso=8.0, d_min=2.5))
    assert (coarse.b_error > 3).all()
    assert ((coarse.b_iso - PRIOR_B).abs() < (coarse.fitted_b - PRIOR_B).abs()).all()
    fine = measured(crystals, b_iso=0.0)
    rising = replace(fine, amplitude=fine.amplitude * torch.exp(3 / 4 * fine.inverse_d_squared()))
    fit = wilson_fit(rising)
    assert (fit.fitted_b < 0).all()
    assert (fit.b_iso == 0).all()


def test_crystals_without_data_give_the_prior_and_change_no_other():
    observed = measured(random_crystals(3, 8, seed=17))
    keep = torch.tensor([True, False, False])[:, None, None, None]
    # The second was measured as nothing, the third not at all.
    empty = replace(
        observed,
        amplitude=observed.amplitude * keep,
        mask=observed.mask & torch.tensor([True, True, False])[:, None, None, None],
    )
    fit = wilson_fit(empty)
    assert fit.b_iso[1:].tolist() == [PRIOR_B, PRIOR_B]
    assert torch.isfinite(fit.scale).all()
    assert torch.isfinite(normalised(empty, fit).amplitude).all()
    torch.testing.assert_close(fit.b_iso[0], wilson_fit(observed).b_iso[0])


def test_a_reflection_that_is_missing_says_nothing_and_one_that_is_absent_does():
    crystals = random_crystals(4, 16, seed=18, edges=(6.0, 8.0))
    lattice, indices = crystals[0], miller_indices("full", 20)
    factors = structure_factors(*crystals, indices, Scattering("xray", 0.02 * torch.ones(crystals[1].shape)))
    mask = inside_nyquist(20).expand(factors.shape)
    chosen = torch.rand(mask.shape, generator=torch.Generator().manual_seed(3)) < 0.3
    chosen = (chosen | friedel_mate(chosen)) & mask
    whole, unmeasured, numberless, absent = (
        wilson_fit(Observed.from_intensity(intensity, measured_ones, "full", lattice).cut(0.9))
        for intensity, measured_ones in (
            (factors.abs().square(), mask),
            (factors.abs().square(), mask & ~chosen),
            (torch.where(chosen, torch.nan, factors.abs().square()), mask),
            (torch.where(chosen, 0.0, factors.abs().square()), mask),
        )
    )
    kept = 1 - (chosen.sum() / mask.sum()).item()
    for name, values in vars(unmeasured).items():
        torch.testing.assert_close(getattr(numberless, name), values)
    torch.testing.assert_close(unmeasured.scale, whole.scale, rtol=0.1, atol=0)
    torch.testing.assert_close(absent.scale, whole.scale * math.sqrt(kept), rtol=0.1, atol=0)


def test_noise_that_is_known_misleads_less():
    crystals = random_crystals(20, 16, seed=19, edges=(6.0, 8.0))
    exact = measured(crystals, b_iso=5.0)
    intensity = exact.amplitude.square()
    mean = intensity.flatten(1).sum(1) / exact.mask.flatten(1).sum(1)
    sigma = (0.2 * mean)[:, None, None, None].expand_as(intensity)
    noise = torch.randn(intensity.shape, generator=torch.Generator().manual_seed(4), dtype=intensity.dtype)
    noisy = replace(exact, amplitude=(intensity + sigma * noise).clamp_min(0).sqrt() * exact.mask)
    plain, weighted = (wilson_fit(replace(noisy, sigma=given), "xray", crystals[1]) for given in (None, sigma))
    assert (weighted.b_iso - 5).abs().mean() < 0.5 * (plain.b_iso - 5).abs().mean()
    assert ((weighted.fitted_b - 5).abs() < 3 * weighted.b_error).all()


@pytest.mark.parametrize("noise", [0.1, 1.0, 5.0])
def test_the_excess_of_clamped_intensities_is_that_of_a_simulation(noise):
    generator = torch.Generator().manual_seed(5)
    intensity = 2.0 * torch.empty(1_000_000, dtype=torch.float64).exponential_(generator=generator)
    found = intensity + noise * torch.randn(len(intensity), generator=generator, dtype=torch.float64)
    simulated = (found.clamp_min(0) - found).mean()
    mean, sigma = torch.tensor([2.0], dtype=torch.float64), torch.tensor([noise], dtype=torch.float64)
    torch.testing.assert_close(_excess(mean, sigma)[0], simulated, rtol=0.03, atol=0)


CCTBX = """
import json, sys
from cctbx import crystal, miller, statistics
from cctbx.array_family import flex
given = json.load(sys.stdin)
found = []
for one in given:
    symmetry = crystal.symmetry(unit_cell=one["cell"], space_group_symbol="P1")
    indices = flex.miller_index([tuple(row) for row in one["hkl"]])
    amplitude = miller.set(symmetry, indices, anomalous_flag=False).array(data=flex.double(one["amplitude"]))
    amplitude.setup_binner(n_bins=12)
    plot = statistics.wilson_plot(amplitude, one["atoms"], scattering_table="it1992")
    found.append([plot.wilson_b, plot.wilson_k])
print(json.dumps(found))
"""


@pytest.mark.skipif(find_spec("cctbx") is None, reason="cctbx is not installed: pip install phaselearn[peers]")
def test_scale_and_b_agree_with_cctbx():
    import gemmi

    crystals = random_crystals(12, 30, seed=20, edges=(7.0, 9.0))
    observed = measured(crystals, b_iso=torch.linspace(0.5, 4, 12, dtype=torch.float64), scale=3.0)
    given = []
    for row, lattice in enumerate(crystals[0]):
        chosen = observed.mask[row].clone()
        chosen[..., SHAPE[2] // 2 :] = False  # one of two mates, but for l = 0
        hkl = torch.stack([index[place] for index, place in zip(miller_box(SHAPE), chosen.nonzero().T, strict=True)], 1)
        edge = lattice.norm(dim=1)
        angle = [
            math.degrees(math.acos(lattice[i] @ lattice[j] / edge[i] / edge[j])) for i, j in ((1, 2), (0, 2), (0, 1))
        ]
        numbers = crystals[1][row].tolist()
        given.append(
            {
                "cell": [*edge.tolist(), *angle],
                "hkl": hkl.tolist(),
                "amplitude": observed.amplitude[row][chosen].tolist(),
                "atoms": {gemmi.Element(number).name: numbers.count(number) for number in set(numbers) if number},
            }
        )
    # In a process of its own: gemmi and cctbx crash in one.
    done = subprocess.run(
        [sys.executable, "-c", CCTBX], input=json.dumps(given), capture_output=True, text=True, check=True
    )
    b_iso, scale = torch.tensor(json.loads(done.stdout), dtype=torch.float64).T
    fit = wilson_fit(observed, "xray", crystals[1])
    # Two estimates of the same data, by likelihood and by a line through 12 shells.
    assert ((fit.fitted_b - b_iso).abs() < 2.5 * fit.b_error).all()
    assert ((fit.scale / scale - 1).abs() < 2.5 * fit.scale_error).all()
