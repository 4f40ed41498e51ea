"""Inputs of networks, and scalings."""

import itertools

import pytest
import torch

from phaselearn.crystal.density import band_limited_density
from phaselearn.data.pair_maps import make_pairs
from phaselearn.data.preparation.transforms import scale_samples, transform_input
from tests.conftest import FULL, random_crystals


def test_the_patterson_input_is_the_autocorrelation_of_the_density():
    lattice, numbers, positions = random_crystals(2, 4, seed=7)
    intensity, _ = make_pairs(lattice, numbers, positions, FULL)
    patterson = transform_input(intensity, "patterson", "full")
    points = band_limited_density(lattice, numbers, positions, 10, 1e-9)
    spectrum = torch.fft.fftn(points, dim=(1, 2, 3)).abs().square()
    expected = torch.fft.ifftn(spectrum, dim=(1, 2, 3)).real
    scaled = patterson / patterson[:, :1, :1, :1]
    torch.testing.assert_close(scaled, expected / expected[:, :1, :1, :1])


def test_scalings_do_what_they_say_and_leave_empty_samples_empty():
    values = torch.rand(3, 4, 4, 4) * torch.tensor([1.0, 50.0, 0.0])[:, None, None, None]
    assert scale_samples(values, "max").amax((1, 2, 3)).tolist() == pytest.approx([1, 1, 0])
    assert scale_samples(values, "mean").mean((1, 2, 3)).tolist() == pytest.approx([1, 1, 0])
    assert scale_samples(values, "deviation").flatten(1).std(1).tolist() == pytest.approx([1, 1, 0])
    assert scale_samples(values, "none") is values


def test_the_patterson_input_of_an_octant_sums_cosines_over_the_reflections_that_both_hold():
    size = 6
    octant = torch.rand(1, size, size, size, dtype=torch.float64)
    points = torch.arange(size, dtype=torch.float64) / size
    expected = torch.zeros(size, size, size, dtype=torch.float64)
    for index in itertools.product(range(size // 2), repeat=3):  # those from N/2 on are finer than the map
        h, k, l_ = index
        phase = 2 * torch.pi * (h * points[:, None, None] + k * points[None, :, None] + l_ * points)
        expected += octant[0][index] * phase.cos() * (2 if any(index) else 1)  # with the Friedel mate
    patterson = transform_input(octant, "patterson", "octant")[0]
    torch.testing.assert_close(patterson * size**3, expected)
