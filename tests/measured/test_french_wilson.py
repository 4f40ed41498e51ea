"""Amplitudes of weak intensities, against parabolic cylinder functions, integrals and cctbx."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gamma, pbdv

from phaselearn.measured.french_wilson import amplitudes, is_centric, mean_intensity, posterior
from phaselearn.measured.merging import merge
from tests.measured.samples import intensities, observed, point_group, reflections_within

INTENSITY = np.array([-40.0, -9.0, -4.0, -1.0, -0.3, 0.0, 0.2, 1.0, 3.0, 4.5, 8.0, 9.5, 20.0, 35.0, 500.0, 1e5])


@pytest.mark.parametrize("centric", [False, True])
def test_moments_are_those_of_the_closed_form(centric: bool) -> None:
    """∫ x^(v−1) exp(−(x − h)²/2) dx = Γ(v) exp(−h²/4) D₋ᵥ(−h): Gradshteyn & Ryzhik 3.462."""
    sigma, mean = 1.7, 5.0
    some = INTENSITY[(INTENSITY > -20) & (INTENSITY < 30)]
    ours = posterior(some, np.full_like(some, sigma), np.full_like(some, mean), np.full(len(some), centric))
    power = 0.5 if centric else 1.0
    middle = some / sigma - power * sigma / mean
    below, first, second = (gamma(power + n / 2) * pbdv(-power - n / 2, -middle)[0] for n in range(3))
    np.testing.assert_allclose(ours.amplitude, first / below * sigma**0.5, rtol=1e-9)
    np.testing.assert_allclose(ours.intensity, second / below * sigma, rtol=1e-9)
    np.testing.assert_allclose(ours.sigma, np.sqrt(second / below - (first / below) ** 2) * sigma**0.5, rtol=1e-6)


@pytest.mark.parametrize("centric", [False, True])
@pytest.mark.parametrize("intensity", INTENSITY)
def test_moments_are_those_of_bayes_theorem(intensity: float, centric: bool) -> None:
    """Likelihood times Wilson's distribution, integrated over |F| without further thought."""
    sigma, mean = 2.5, 12.0
    peak = np.sqrt(max(intensity, 0))
    width = 12 * min(np.sqrt(sigma), sigma / max(2 * peak, 1e-9))

    def density(amplitude: float, power: int) -> float:
        square = amplitude**2
        prior = (peak**2 - square) / (2 * mean if centric else mean)
        likelihood = (min(intensity, 0) ** 2 - (square - intensity) ** 2) / 2 / sigma**2
        return amplitude ** (power if centric else power + 1) * np.exp(prior + likelihood)

    low, high = max(0.0, peak - width), peak + width
    total, first, second = (quad(density, low, high, args=(n,), limit=400, epsabs=0)[0] for n in range(3))
    ours = posterior(np.array([intensity]), np.array([sigma]), np.array([mean]), np.array([centric]))
    assert ours.amplitude[0] == pytest.approx(first / total, rel=1e-6)
    assert ours.intensity[0] == pytest.approx(second / total, rel=1e-6)


def test_strong_reflections_are_left_alone_and_weak_ones_are_positive() -> None:
    ours = posterior(INTENSITY, np.full(16, 0.1), np.full(16, 50.0), np.zeros(16, dtype=bool))
    assert (ours.amplitude > 0).all()
    assert (np.diff(ours.amplitude) > 0).all()
    strong = INTENSITY > 3
    np.testing.assert_allclose(ours.amplitude[strong], np.sqrt(INTENSITY[strong]), rtol=1e-3)
    np.testing.assert_allclose(ours.sigma[strong], 0.1 / 2 / np.sqrt(INTENSITY[strong]), rtol=1e-2)


def test_true_amplitudes_are_met_on_average() -> None:
    """Intensities drawn from the prior and measured with noise: the posterior mean has no bias, zero-clipping has."""
    generator = np.random.default_rng(2)
    true = generator.exponential(4.0, 200_000)
    sigma = np.full_like(true, 3.0)
    seen = true + sigma * generator.normal(size=len(true))
    ours = posterior(seen, sigma, np.full_like(true, 4.0), np.zeros(len(true), dtype=bool))
    weak = seen < 1
    assert ours.amplitude[weak].mean() == pytest.approx(np.sqrt(true[weak]).mean(), rel=0.01)
    spread = np.square(ours.amplitude - np.sqrt(true)).mean()
    assert spread == pytest.approx(np.square(ours.sigma).mean(), rel=0.02)
    assert spread < np.square(np.sqrt(np.maximum(seen, 0)) - np.sqrt(true)).mean()


def test_centric_reflections_are_those_of_the_point_group() -> None:
    hkl = np.array([[1, 2, 3], [0, 2, 3], [1, 0, 3], [0, 0, 4]])
    assert is_centric(hkl, point_group("P 21 21 21", inversion=False)).tolist() == [False, True, True, True]
    assert is_centric(hkl, point_group("P 1 21 1", inversion=False)).tolist() == [False, False, True, True]
    assert is_centric(hkl, point_group("P -1")).all()


def test_the_mean_intensity_is_that_of_the_neighbourhood() -> None:
    cell = (9.0, 10.0, 11.0, 90, 90, 90)
    hkl = reflections_within(cell, 0.8)
    merged = merge(
        observed(hkl, intensities(hkl, cell, "P 21 21 21", atoms=10, b_iso=4.0), cell), point_group("P m m m")
    )
    ratio = merged.intensity / mean_intensity(merged)
    assert ratio.mean() == pytest.approx(1, abs=0.1)
    assert (amplitudes(merged)[0] > 0).all()


@pytest.mark.skipif(find_spec("cctbx") is None, reason="cctbx is not installed: pip install phaselearn[peers]")
def test_amplitudes_are_those_of_cctbx(tmp_path: Path) -> None:
    """In a process of its own: cctbx and gemmi do not go together."""
    intensity, mean = np.linspace(-3.5, 3.9, 30), 4.0
    code = """if True:
        import sys
        import numpy as np
        from cctbx.french_wilson import fw_acentric, fw_centric
        rows = [(*fw_acentric(i, 1.0, 4.0, -4.0), *fw_centric(i, 1.0, 4.0, -4.0)) for i in np.load(sys.argv[1])]
        np.save(sys.argv[2], np.array(rows))
    """
    np.save(tmp_path / "in.npy", intensity)
    subprocess.run([sys.executable, "-c", code, tmp_path / "in.npy", tmp_path / "out.npy"], check=True, timeout=120)
    theirs = np.load(tmp_path / "out.npy")
    for place, centric in ((0, False), (4, True)):
        ours = posterior(intensity, np.ones(30), np.full(30, mean), np.full(30, centric))
        met = theirs[:, place] > 0
        assert met.sum() > 25
        np.testing.assert_allclose(ours.amplitude[met], theirs[met, place + 2], rtol=0.02)
