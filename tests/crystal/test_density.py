"""Densities against brute force, their integral, and their Fourier pairs."""

from itertools import product

import numpy as np
import pytest
import torch

from phaselearn.crystal.cartesian import (
    bounding_box,
    cartesian_band_limited_density,
    cartesian_gaussian_density,
    to_fractional_frame,
)
from phaselearn.crystal.density import (
    band_limited_density,
    gaussian_damping,
    gaussian_density,
    map_from_structure_factors,
    structure_factors_from_map,
)
from phaselearn.crystal.lattice import standard_orientation, volume
from phaselearn.crystal.layout import inside_nyquist, miller_box, miller_indices
from phaselearn.crystal.structure_factors import structure_factors
from tests.conftest import random_crystals


def brute_force(lattice, numbers, positions, points, sigma):
    """Sum Gaussians over a generous block of images at Cartesian points (k, 3)."""
    images = np.array(list(product(range(-4, 5), repeat=3))) @ lattice
    result = np.zeros(len(points))
    for number, position in zip(numbers, positions, strict=True):
        if number:
            separation = points[:, None, :] - (position @ lattice) - images[None]
            square = (separation**2).sum(-1)
            result += number * np.exp(-square / (2 * sigma**2)).sum(1) / (2 * np.pi * sigma**2) ** 1.5
    return result


@pytest.mark.parametrize("edges", [(1.5, 3.0), (4.0, 9.0), (12.0, 20.0)])
def test_gaussians_agree_with_brute_force(edges):
    lattice, numbers, positions = random_crystals(3, 4, seed=1, edges=edges)
    size, sigma = 6, 0.4
    ours = gaussian_density(lattice, numbers, positions, size, sigma)
    grid = np.array(list(product(range(size), repeat=3))) / size
    for crystal in range(3):
        cell = lattice[crystal].numpy()
        expected = brute_force(cell, numbers[crystal].numpy(), positions[crystal].numpy(), grid @ cell, sigma)
        scale = numbers[crystal].max().item() / (2 * np.pi * sigma**2) ** 1.5
        assert np.abs(ours[crystal].flatten().numpy() - expected).max() < 1e-6 * scale


@pytest.mark.parametrize("weight", ["atomic_number", "unit"])
def test_resolved_gaussians_integrate_to_their_weights(weight):
    lattice, numbers, positions = random_crystals(6, 5, seed=2, edges=(4.0, 7.0))
    size = 20
    sigma = float((lattice.norm(dim=-1) / size).max())
    density = gaussian_density(lattice.float(), numbers, positions, size, sigma, weight)
    total = (numbers if weight == "atomic_number" else (numbers > 0)).sum(1).double()
    integral = density.double().mean((1, 2, 3)) * volume(lattice)
    assert ((integral / total) - 1).abs().max() < 1e-3


def test_band_limited_density_integrates_exactly():
    lattice, numbers, positions = random_crystals(6, 5, seed=3, edges=(3.0, 25.0))
    density = band_limited_density(lattice, numbers, positions, 10, 0.225)
    integral = density.mean((1, 2, 3)) * volume(lattice)
    torch.testing.assert_close(integral, numbers.sum(1).double(), rtol=1e-12, atol=0)


def test_band_limited_density_is_the_fourier_pair_of_the_blurred_structure_factors():
    lattice, numbers, positions = random_crystals(4, 6, seed=4)
    indices = miller_indices("full", 12)
    density = band_limited_density(lattice, numbers, positions, 12, 0.3)
    blurred = structure_factors(lattice, numbers, positions, indices) * gaussian_damping(lattice, indices, 0.3)
    blurred = blurred * inside_nyquist(12)
    torch.testing.assert_close(structure_factors_from_map(density, lattice), blurred, rtol=1e-10, atol=1e-8)
    torch.testing.assert_close(map_from_structure_factors(blurred, lattice), density, rtol=1e-10, atol=1e-8)


def test_resolved_gaussians_are_the_fourier_pair_of_the_blurred_structure_factors():
    lattice, numbers, positions = random_crystals(4, 6, seed=5, edges=(4.0, 6.0))
    size = 24
    sigma = 1.2 * float((lattice.norm(dim=-1) / size).max())
    indices = miller_indices("full", size)
    blurred = structure_factors(lattice, numbers, positions, indices) * gaussian_damping(lattice, indices, sigma)
    found = structure_factors_from_map(gaussian_density(lattice, numbers, positions, size, sigma), lattice)
    difference = ((found - blurred) * inside_nyquist(size)).abs().amax((1, 2, 3))
    assert (difference / blurred.abs().amax((1, 2, 3))).max() < 1e-3


SHAPES = [(6, 6, 6), (4, 5, 10)]


@pytest.mark.parametrize("shape", SHAPES)
def test_cartesian_gaussians_agree_with_brute_force(shape):
    lattice, numbers, positions = random_crystals(2, 4, seed=6)
    ours = cartesian_gaussian_density(lattice, numbers, positions, shape, 0.4)
    assert ours.shape == (2, *shape)
    low, edges = bounding_box(lattice)
    grid = np.array(list(product(*map(range, shape)))) / shape
    for crystal in range(2):
        points = low[crystal].numpy() + grid * edges[crystal].numpy()
        cell = standard_orientation(lattice)[crystal].numpy()
        expected = brute_force(cell, numbers[crystal].numpy(), positions[crystal].numpy(), points, 0.4)
        assert np.abs(ours[crystal].flatten().numpy() - expected).max() < 1e-5 * expected.max()


@pytest.mark.parametrize("shape", SHAPES)
def test_cartesian_band_limited_density_is_the_synthesis_at_those_points(shape):
    lattice, numbers, positions = random_crystals(1, 4, seed=7)
    ours = cartesian_band_limited_density(lattice, numbers, positions, shape, 0.3)[0].flatten().numpy()
    indices = miller_box(shape)
    factors = structure_factors(lattice, numbers, positions, indices) * gaussian_damping(lattice, indices, 0.3)
    factors = (factors * inside_nyquist(shape))[0].flatten().numpy()
    h = np.array(list(product(*(index.tolist() for index in indices))))
    low, edges = bounding_box(lattice)
    points = low[0].numpy() + np.array(list(product(*map(range, shape)))) / shape * edges[0].numpy()
    fractional = points @ np.linalg.inv(standard_orientation(lattice)[0].numpy())
    expected = (np.exp(-2j * np.pi * fractional @ h.T) @ factors).real / volume(lattice)[0].item()
    assert np.abs(ours - expected).max() < 1e-9 * np.abs(expected).max()


@pytest.mark.parametrize("shape", [(8, 8, 8), (8, 12, 6)])
@pytest.mark.parametrize(
    ("cartesian", "fractional"),
    [(cartesian_gaussian_density, gaussian_density), (cartesian_band_limited_density, band_limited_density)],
)
def test_frames_are_the_same_for_an_orthogonal_cell(cartesian, fractional, shape):
    _, numbers, positions = random_crystals(2, 5, seed=8)
    lattice = torch.diag_embed(torch.tensor([[4.0, 5.0, 6.0], [7.0, 5.0, 3.0]], dtype=torch.float64))
    box = cartesian(lattice, numbers, positions, shape, 0.35)
    cell = fractional(lattice, numbers, positions, shape, 0.35)
    torch.testing.assert_close(box, cell, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(to_fractional_frame(box, lattice), cell, rtol=1e-5, atol=1e-4)


def test_the_fractional_frame_is_interpolated_from_a_fine_box():
    lattice, numbers, positions = random_crystals(3, 4, seed=9, edges=(4.0, 5.0))
    shape, sigma = (40, 44, 36), 0.6
    box = cartesian_gaussian_density(lattice, numbers, positions, shape, sigma)
    cell = gaussian_density(lattice, numbers, positions, shape, sigma)
    error = (to_fractional_frame(box, lattice) - cell).abs().amax((1, 2, 3)) / cell.amax((1, 2, 3))
    assert error.max() < 0.05


def test_densities_are_differentiable_in_the_positions():
    lattice, numbers, positions = random_crystals(1, 2, seed=10)
    positions.requires_grad_()

    def map_value(where):
        return gaussian_density(lattice, numbers, where, 6, 0.5)[0, 1, 2, 3]

    assert torch.autograd.gradcheck(map_value, positions)


def test_standard_orientation_keeps_the_metric_and_is_lower_triangular():
    lattice, _, _ = random_crystals(5, 2, seed=11)
    lattice[0] = lattice[0][[1, 0, 2]]  # the other hand
    standard = standard_orientation(lattice)
    torch.testing.assert_close(standard @ standard.mT, lattice @ lattice.mT)
    torch.testing.assert_close(standard, standard.tril())
    torch.testing.assert_close(torch.linalg.det(standard), torch.linalg.det(lattice))
