"""Cells with edges of 3 to 60 Å on boxes with three edges: each step from atoms to judgement against brute force."""

from __future__ import annotations

import math

import gemmi
import numpy as np
import pytest
import torch
from torch import Tensor

from phaselearn.crystal.alignment import align
from phaselearn.crystal.density import band_limited_density, gaussian_density, map_from_structure_factors
from phaselearn.crystal.judgement import judge, true_map_factors
from phaselearn.crystal.layout import Shape, miller_box
from phaselearn.crystal.observed import MAP_B_ISO, Observed
from phaselearn.crystal.peaks import find_peaks, fourier_upsample
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.crystal.symmetry import operation_scores
from tests.conftest import random_crystals

ATOMS = 8
POINTS = 100_000


def crystal(seed: int) -> tuple[Tensor, Tensor, Tensor, float]:
    """Return a random triclinic cell, its atoms, and a resolution at which its box has fewer than `POINTS` points."""
    generator = np.random.default_rng(seed)
    short, long = sorted(generator.uniform(3, 60, size=2))
    lattice, numbers, _ = random_crystals(1, ATOMS, seed=seed, edges=(3.0, 6.0))
    edges = torch.tensor(generator.permutation([short, generator.uniform(3, 12), long]))
    lattice = lattice / lattice.norm(dim=-1, keepdim=True) * edges[:, None]
    d_min = 0.8 * max(1.0, (torch.linalg.det(lattice).abs().item() / 500) ** (1 / 3))
    return lattice, numbers.clamp_min(6), torch.from_numpy(generator.random((1, ATOMS, 3))), d_min


def sphere(lattice: Tensor, d_min: float) -> np.ndarray:
    """Return the Miller indices (H, 3) with d ≥ d_min, F(000) left out, as gemmi spaces them."""
    a, b, c = lattice[0].numpy()
    angles = [
        math.degrees(math.acos(u @ v / np.linalg.norm(u) / np.linalg.norm(v))) for u, v in ((b, c), (a, c), (a, b))
    ]
    cell = gemmi.UnitCell(*(float(np.linalg.norm(edge)) for edge in (a, b, c)), *angles)
    hkl = gemmi.make_miller_array(cell, gemmi.SpaceGroup("P 1"), d_min)
    return hkl[(hkl != 0).any(1)]


def plain_factors(hkl: np.ndarray, numbers: Tensor, positions: Tensor) -> np.ndarray:
    return np.exp(2j * np.pi * hkl @ positions[0].numpy().T) @ numbers[0].numpy()


def observe(seed: int) -> tuple[Observed, np.ndarray, Tensor, Tensor]:
    lattice, numbers, positions, d_min = crystal(seed)
    hkl = sphere(lattice, d_min)
    amplitude = torch.from_numpy(np.abs(plain_factors(hkl, numbers, positions)))
    observed = Observed.from_reflections(torch.from_numpy(hkl), amplitude, lattice[0])
    assert observed.mask[0].numel() < POINTS
    return observed, hkl, numbers, positions


SEEDS = range(5)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_list_of_reflections_fills_the_smallest_box_with_itself_and_its_mates(seed: int) -> None:
    observed, hkl, numbers, positions = observe(seed)
    assert observed.shape == tuple(2 * np.abs(hkl).max(0) + 2)
    assert observed.unique_reflections().item() == len(hkl)
    size = np.array(observed.shape)
    for sign in (1, -1):
        found = observed.amplitude[0].numpy()[tuple((sign * hkl % size).T)]
        np.testing.assert_allclose(found, np.abs(plain_factors(hkl, numbers, positions)))
    assert observed.amplitude.count_nonzero() <= 2 * len(hkl)


def test_lists_with_repeats_mates_and_no_numbers_are_merged() -> None:
    hkl = torch.tensor([[1, 0, 0], [-1, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 0], [0, 0, 5]])
    amplitude = torch.tensor([1.0, 2.0, 6.0, 4.0, 9.0, math.nan])
    sigma = torch.tensor([0.1, 0.2, 0.6, 0.4, 0.9, 0.3])
    observed = Observed.from_reflections(hkl, amplitude, torch.eye(3), sigma)
    assert observed.shape == (4, 6, 2)
    assert observed.amplitude[0, 1, 0, 0] == observed.amplitude[0, -1, 0, 0] == 3
    assert observed.amplitude[0, 0, 2, 0] == observed.amplitude[0, 0, -2, 0] == 4
    assert observed.mask.sum() == 4
    assert observed.sigma is not None
    assert float(observed.sigma[0, 1, 0, 0]) == float(observed.sigma[0, -1, 0, 0]) == pytest.approx(0.3)
    assert float(observed.sigma[0, 0, 2, 0]) == pytest.approx(0.4)
    assert observed.sigma.count_nonzero() == 4


@pytest.mark.parametrize("seed", SEEDS)
def test_structure_factors_and_density_are_those_of_plain_sums(seed: int) -> None:
    observed, hkl, numbers, positions = observe(seed)
    shape, lattice = observed.shape, observed.lattice
    box = structure_factors(lattice, numbers, positions, miller_box(shape))
    place = tuple((hkl % np.array(shape)).T)
    np.testing.assert_allclose(box[0].numpy()[place], plain_factors(hkl, numbers, positions), atol=1e-9)

    generator = np.random.default_rng(seed)
    voxels = generator.integers(0, shape, size=(20, 3))
    density = map_from_structure_factors(box * observed.mask, lattice)[0].numpy()[tuple(voxels.T)]
    both = np.concatenate((hkl, -hkl))
    waves = np.exp(-2j * np.pi * (voxels / shape) @ both.T)
    volume = abs(np.linalg.det(lattice[0].numpy()))
    np.testing.assert_allclose(density, (waves @ plain_factors(both, numbers, positions)).real / volume, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_gaussian_density_is_the_sum_over_images(seed: int) -> None:
    observed, _, numbers, positions = observe(seed)
    sigma, shape = 0.4, observed.shape
    density = gaussian_density(observed.lattice, numbers, positions, shape, sigma)[0].numpy()
    voxels = np.random.default_rng(seed).integers(0, shape, size=(50, 3))
    voxels = np.concatenate((voxels, np.rint(positions[0].numpy() * shape).astype(int) % shape))
    images = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    apart = voxels[:, None, None] / shape - positions[0].numpy()[None, :, None] - images
    distance = np.linalg.norm(apart @ observed.lattice[0].numpy(), axis=-1)
    height = numbers[0].numpy()[:, None] / (2 * math.pi * sigma**2) ** 1.5
    expected = (height * np.exp(-0.5 * (distance / sigma) ** 2)).sum((1, 2))
    np.testing.assert_allclose(density[tuple(voxels.T)], expected, atol=1e-5 * expected.max())


def test_the_two_samplings_agree_on_fine_boxes_with_three_edges() -> None:
    lattice, numbers, positions = random_crystals(2, 4, seed=3, edges=(3.0, 5.0))
    shape = (36, 30, 40)
    maps = [make(lattice, numbers, positions, shape, 0.4) for make in (gaussian_density, band_limited_density)]
    torch.testing.assert_close(maps[0], maps[1], rtol=0, atol=1e-4 * maps[0].max().item())


def correlation_at(first: np.ndarray, second: np.ndarray, hkl: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return the correlation of two maps after shifts (K, 3) of the first, from lists of one of each Friedel pair."""
    norm = np.linalg.norm(first) * np.linalg.norm(second)
    return (np.exp(2j * np.pi * shift @ hkl.T) @ (first * second.conj())).real / norm


@pytest.mark.parametrize("seed", SEEDS)
def test_alignment_is_no_worse_than_any_shift_and_hand_that_a_plain_search_finds(seed: int) -> None:
    observed, hkl, numbers, positions = observe(seed)
    generator = np.random.default_rng(seed)
    true = true_map_factors(observed, numbers, positions, "atomic_number")
    others = torch.from_numpy(generator.random((1, ATOMS, 3)))
    predicted = true_map_factors(observed, numbers, others, "atomic_number")
    alignment = align(predicted, true)

    place = (0, *(torch.from_numpy(index) for index in (hkl % np.array(observed.shape)).T))
    first, second = predicted[place].numpy(), true[place].numpy()
    hand = first.conj() if alignment.inverted.item() else first
    claimed = correlation_at(hand, second, hkl, alignment.shift.numpy())
    np.testing.assert_allclose(claimed, alignment.correlation.numpy(), atol=1e-6)
    tried = np.concatenate((generator.random((60, 3)), alignment.shift.numpy() + generator.normal(0, 0.003, (30, 3))))
    best = max(correlation_at(hand, second, hkl, tried).max() for hand in (first, first.conj()))
    assert best <= claimed[0] + 1e-6


@pytest.mark.parametrize("seed", SEEDS)
def test_the_judge_finds_the_truth_from_any_origin_and_hand_and_its_atoms(seed: int) -> None:
    observed, hkl, numbers, positions = observe(seed)
    shift = torch.tensor([0.123, 0.456, 0.789], dtype=torch.float64)
    for where in (positions + shift, shift - positions):
        moved = structure_factors(observed.lattice, numbers, where, miller_box(observed.shape))
        judgement, _ = judge(moved, observed, numbers, positions)
        assert judgement.correlation.item() == pytest.approx(1, abs=1e-6)
        assert judgement.phase_error.item() < 0.1
        assert judgement.counted.all()
    # The floor, against the plain sum: no shift of the phase-zero map correlates better.
    factors = plain_factors(hkl, numbers, positions)
    square = np.square(hkl @ np.linalg.inv(observed.lattice[0].numpy()).T).sum(1)
    amplitude = np.abs(factors) * np.exp(-MAP_B_ISO / 4 * square)
    true = amplitude * np.exp(1j * np.angle(factors))
    atoms = positions[0].numpy()
    at_atoms = correlation_at(amplitude.astype(complex), true, hkl, np.concatenate((atoms, np.zeros((1, 3)))))
    assert judgement.floor.item() >= at_atoms.max() - 1e-6


@pytest.mark.parametrize("seed", SEEDS)
def test_peaks_stand_at_atoms_that_are_apart(seed: int) -> None:
    observed, _, _, positions = observe(seed)
    heavy = torch.full((1, 1), 40)
    alone = positions[:, :1]
    box = true_map_factors(observed, heavy, alone, "atomic_number")
    density = fourier_upsample(map_from_structure_factors(box, observed.lattice), 2)
    peak = find_peaks(density, observed.lattice, 1).positions[0, 0]
    apart = peak - alone[0, 0]
    # Voxels are a quarter of the resolution wide; the interpolation between them is better than that by far.
    assert ((apart - apart.round()) @ observed.lattice[0]).norm() < 0.1 * crystal(seed)[-1]


@pytest.mark.parametrize("shape", [(6, 10, 40), (40, 6, 10), (9, 30, 12)])
def test_operations_of_a_long_cell_are_recognised(shape: Shape) -> None:
    generator = torch.Generator().manual_seed(0)
    positions = torch.rand(1, 3, 3, generator=generator, dtype=torch.float64)
    # P 1 2₁ 1: (−x, y + ½, −z).
    rotation, translation = torch.diag(torch.tensor([-1, 1, -1])), torch.tensor([0, 0.5, 0], dtype=torch.float64)
    both = torch.cat((positions, positions @ rotation.double() + translation), 1) + 0.137
    factors = structure_factors(
        torch.eye(3, dtype=torch.float64)[None], torch.full((1, 6), 8), both, miller_box(shape)
    )[0]
    operations = torch.stack((rotation, torch.diag(torch.tensor([1, -1, -1]))))
    shifts = torch.stack((translation, torch.zeros(3, dtype=torch.float64)))
    scores = operation_scores(factors, operations, shifts)
    assert scores[0] == pytest.approx(1, abs=1e-6)
    assert scores[1] < 0.9
