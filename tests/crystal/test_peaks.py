"""Peaks of periodic maps between the voxels."""

import torch

from phaselearn.crystal.density import gaussian_density
from phaselearn.crystal.minimum_image import minimum_image_distance
from phaselearn.crystal.peaks import find_peaks, fourier_upsample
from tests.conftest import random_crystals


def separated_atoms(seed=1):
    """Crystals of four equal atoms no closer than 1.5 Å."""
    kept = []
    while len(kept) < 5:
        lattice, _, positions = random_crystals(1, 4, seed=seed, edges=(5.0, 7.0))
        positions = torch.rand(1, 4, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        distance = minimum_image_distance(positions, positions, lattice)[0] + 10 * torch.eye(4)
        if distance.min() > 1.5:
            kept.append((lattice, positions))
        seed += 1
    return torch.cat([lattice for lattice, _ in kept]), torch.cat([positions for _, positions in kept])


def test_atoms_are_found_between_voxels_and_across_the_cell_edge():
    lattice, positions = separated_atoms()
    positions[0, 0] = torch.tensor([0.99, 0.004, 0.5])
    numbers = torch.tensor([40, 30, 20, 10]).expand(5, 4)
    density = gaussian_density(lattice, numbers, positions, 24, 0.5)
    peaks = find_peaks(density, lattice, 4)
    distance = minimum_image_distance(positions, peaks.positions, lattice)
    assert (distance.diagonal(dim1=1, dim2=2) < 0.05).all()  # in the order of their weights, too
    assert (peaks.heights.diff(dim=1) <= 0).all()


def test_a_maximum_shared_by_two_voxels_is_one_peak():
    lattice = 6 * torch.eye(3, dtype=torch.float64)[None]
    numbers = torch.tensor([[20]])
    positions = torch.tensor([[[0.5 + 0.5 / 12, 0.5, 0.5]]], dtype=torch.float64)  # half-way between voxels
    peaks = find_peaks(gaussian_density(lattice, numbers, positions, 12, 0.6), lattice, 3)
    assert torch.isfinite(peaks.heights[0]).tolist() == [True, False, False]
    assert minimum_image_distance(positions, peaks.positions[:, :1], lattice).item() < 0.02


def test_of_two_close_peaks_the_higher_stays():
    lattice = 6 * torch.eye(3, dtype=torch.float64)[None]
    density = torch.zeros(1, 24, 24, 24, dtype=torch.float64)
    density[0, 3, 3, 3], density[0, 3, 3, 5], density[0, 3, 3, 12] = 2.0, 1.0, 1.5
    peaks = find_peaks(density, lattice, 3, separation=0.8)
    assert torch.isfinite(peaks.heights[0]).sum() == 2
    assert peaks.positions[0, 0].tolist() == [3 / 24] * 3


def test_a_peak_shadows_a_lower_one_only_if_it_stays_itself():
    """Of a falling row of peaks, 0.5 Å apart, every second one stays if 0.8 Å are asked for."""
    lattice = 6 * torch.eye(3, dtype=torch.float64)[None]
    density = torch.zeros(1, 24, 24, 24, dtype=torch.float64)
    density[0, 3, 3, 3:15:2] = torch.arange(6.0, 0.0, -1.0, dtype=torch.float64)
    peaks = find_peaks(density, lattice, 6, separation=0.8)
    assert (24 * peaks.positions[0, :3, 2]).round().tolist() == [3, 7, 11]
    assert torch.isfinite(peaks.heights[0]).sum() == 3


def test_upsampling_interpolates_a_band_limited_map_exactly_on_any_box():
    generator = torch.Generator().manual_seed(0)
    coefficients = torch.randn(2, 3, 3, 3, generator=generator, dtype=torch.float64)

    def wave(*shape):
        axes = [torch.arange(size, dtype=torch.float64) / size * 2 * torch.pi for size in shape]
        bases = [torch.stack((torch.ones_like(axis), axis.cos(), (2 * axis).sin())) for axis in axes]
        return torch.einsum("bxyz,xi,yj,zk->bijk", coefficients, *bases)

    torch.testing.assert_close(fourier_upsample(wave(8, 8, 8), 3), wave(24, 24, 24))
    torch.testing.assert_close(fourier_upsample(wave(8, 7, 10), 2), wave(16, 14, 20))
