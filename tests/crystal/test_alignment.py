"""Alignment and judgements on random triclinic crystals with known answers."""

import pytest
import torch

from phaselearn.crystal.alignment import align
from phaselearn.crystal.density import band_limited_density, structure_factors_from_map
from phaselearn.crystal.judgement import atoms_found, judge, true_map_factors, with_phases_of
from phaselearn.crystal.layout import inside_nyquist, miller_indices
from phaselearn.crystal.minimum_image import minimum_image_distance
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.structure_factors import structure_factors
from tests.conftest import random_crystals


def moved(positions, seed):
    generator = torch.Generator().manual_seed(seed)
    count = len(positions)
    shift = torch.rand(count, 3, generator=generator, dtype=torch.float64)
    hand = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0).double()
    return hand[:, None, None] * positions + shift[:, None], shift, hand


def pair_of_boxes(count=12, atoms=8, size=12, seed=1, dtype=torch.float64):
    lattice, numbers, positions = random_crystals(count, atoms, seed=seed)
    other, shift, hand = moved(positions, seed)
    indices = miller_indices("full", size)
    mask = inside_nyquist(size)
    first = structure_factors(lattice.to(dtype), numbers, positions, indices) * mask
    second = structure_factors(lattice.to(dtype), numbers, other, indices) * mask
    return first, second, shift, hand, (lattice, numbers, positions)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sub_voxel_shifts_and_inversions_are_recovered(dtype):
    first, second, shift, hand, (_, numbers, _) = pair_of_boxes(dtype=dtype)
    alignment = align(first, second)
    assert (alignment.correlation > 1 - 1e-5).all()
    # A crystal of one or two atoms is its own inverse, so there the hand is free.
    chiral = (numbers > 0).sum(1) > 2
    assert torch.equal(alignment.inverted[chiral], (hand < 0)[chiral])
    difference = (alignment.shift - shift + 0.5) % 1 - 0.5
    assert difference[chiral].abs().max() < 1e-4
    aligned = alignment.apply(first)
    aligned[:, 0, 0, 0] = second[:, 0, 0, 0]
    assert ((aligned - second).abs().amax((1, 2, 3)) < 2e-3 * second.abs().amax((1, 2, 3))).all()


def test_alignment_moves_positions_as_it_moves_maps():
    first, second, _, _, (_, numbers, positions) = pair_of_boxes(atoms=5)
    other = align(first, second).apply_to_positions(positions)
    lattice = torch.eye(3, dtype=torch.float64).expand(len(numbers), 3, 3)
    found = structure_factors(lattice, numbers, other, miller_indices("full", 12)) * inside_nyquist(12)
    assert ((found - second).abs().amax((1, 2, 3)) < 1e-2 * second.abs().amax((1, 2, 3))).all()


def test_grid_alignment_is_the_maximum_over_all_cyclic_shifts():
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 4, 6, 6, 6, generator=generator, dtype=torch.float64)
    cell = torch.eye(3, dtype=torch.float64).expand(4, 3, 3)
    mask = inside_nyquist(6)
    boxes = [structure_factors_from_map(values, cell) * mask for values in (first, second)]
    maps = [torch.fft.fftn(box, dim=(1, 2, 3)).real for box in boxes]
    found = align(*boxes, refine=False).correlation
    inverted = maps[0].flip(1, 2, 3).roll((1, 1, 1), (1, 2, 3))
    for crystal in range(4):
        best = max(
            torch.corrcoef(
                torch.stack((candidate[crystal].roll((i, j, k), (0, 1, 2)).flatten(), maps[1][crystal].flatten()))
            )[0, 1].item()
            for candidate in (maps[0], inverted)
            for i in range(6)
            for j in range(6)
            for k in range(6)
        )
        assert found[crystal].item() == pytest.approx(best, abs=1e-9)


def observed_box(lattice, numbers, positions, size):
    factors = structure_factors(lattice, numbers, positions, miller_indices("full", size))
    mask = torch.ones_like(factors.real, dtype=torch.bool)
    return Observed.from_intensity(factors.abs().square(), mask, "full", lattice), factors


def test_true_phases_solve_a_crystal_whatever_origin_and_hand():
    lattice, numbers, positions = random_crystals(8, 6, seed=3, edges=(6.0, 9.0))
    numbers = torch.where(numbers > 0, 30, 0)
    distance = minimum_image_distance(positions, positions, lattice) + 10 * torch.eye(6)
    present = numbers > 0
    apart = ((distance > 1.2) | ~(present[:, :, None] & present[:, None])).all((1, 2))
    assert apart.sum() >= 4
    observed, _ = observed_box(lattice, numbers, positions, 16)
    other, _, _ = moved(positions, 5)
    predicted = structure_factors(lattice, numbers, other, miller_indices("full", 16))
    judgement, _ = judge(predicted, observed, numbers, positions)
    assert (judgement.correlation > 1 - 1e-6).all()
    assert (judgement.phase_error < 0.1).all()
    assert judgement.solved.all()
    assert (judgement.strict[apart] == 1).all()
    torch.testing.assert_close(judgement.gain[judgement.floor < 0.99], torch.ones(8).double()[judgement.floor < 0.99])


def test_the_floor_is_what_phases_of_zero_reach():
    lattice, numbers, positions = random_crystals(8, 6, seed=4)
    observed, factors = observed_box(lattice, numbers, positions, 12)
    judgement, _ = judge(torch.ones_like(factors), observed, numbers, positions)
    torch.testing.assert_close(judgement.correlation, judgement.floor, rtol=0, atol=1e-6)
    assert (judgement.gain.abs() < 1e-4).all()
    assert torch.equal(judgement.hard, judgement.floor < 0.9)


def test_scrambled_phases_do_not_solve():
    lattice, numbers, positions = random_crystals(6, 8, seed=5)
    observed, _ = observed_box(lattice, numbers, positions, 12)
    noise = torch.randn(6, 12, 12, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    judgement, _ = judge(torch.fft.ifftn(noise, dim=(1, 2, 3)), observed, numbers, positions)
    assert not judgement.solved[(numbers > 0).sum(1) > 2].any()
    assert (judgement.phase_error[(numbers > 0).sum(1) > 2] > 30).all()


def test_correlation_of_equal_amplitudes_is_the_weighted_cosine_of_the_phase_differences():
    lattice, numbers, positions = random_crystals(3, 6, seed=6)
    observed, _ = observed_box(lattice, numbers, positions, 8)
    true = true_map_factors(observed, numbers, positions, "atomic_number")
    noise = torch.randn(3, 8, 8, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    predicted = with_phases_of(observed.map_amplitude(), torch.fft.ifftn(noise, dim=(1, 2, 3)))
    alignment = align(predicted, true)
    aligned = alignment.apply(predicted)
    first, second = (torch.fft.fftn(box, dim=(1, 2, 3)).real.flatten(1) for box in (aligned, true))
    expected = [torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(first, second, strict=True)]
    torch.testing.assert_close(alignment.correlation, torch.stack(expected), rtol=0, atol=1e-9)


def test_crystals_with_few_reflections_are_not_counted():
    lattice, numbers, positions = random_crystals(2, 3, seed=7)
    observed, factors = observed_box(lattice, numbers, positions, 8)
    few = torch.zeros_like(observed.mask)
    few[0, 0, 0, 1:4] = few[0, 0, 0, -3:] = True
    few[1] = observed.mask[1]
    sparse = Observed(observed.amplitude * few, few, lattice)
    assert sparse.unique_reflections().tolist() == [3, (7**3 - 1) // 2]
    judgement, _ = judge(factors, sparse, numbers, positions)
    assert judgement.counted.tolist() == [False, True]


def test_hydrogen_counts_among_the_atoms_that_are_found_for_neutrons_alone():
    lattice = 8 * torch.eye(3, dtype=torch.float64)[None].expand(2, 3, 3)
    # Hydrogen at a place that no map shows, beside carbon; and a crystal of hydrogen alone.
    numbers = torch.tensor([[6, 6, 1], [1, 1, 0]])
    positions = torch.tensor([[0.1, 0.1, 0.1], [0.5, 0.6, 0.4], [0.8, 0.2, 0.7]], dtype=torch.float64).expand(2, 3, 3)
    indices = miller_indices("full", 16)
    carbon = structure_factors(lattice[:1], numbers[:1].clamp_min(2) * (numbers[:1] > 1), positions[:1], indices)
    factors = torch.cat((carbon, structure_factors(lattice[1:], numbers[1:], positions[1:], indices)))
    mask = inside_nyquist(16).expand_as(factors.real).clone()
    mask[:, 0, 0, 0] = False
    observed = Observed(factors.abs() * mask, mask, lattice)
    by_xrays, by_neutrons = (
        judge(factors, observed, numbers, positions, probe)[0].atoms_found for probe in ("xray", "neutron")
    )
    assert by_xrays.tolist() == [1, 1]
    assert by_neutrons[0].item() == pytest.approx(2 / 3)


def test_atoms_found_counts_the_atoms_under_peaks():
    lattice, numbers, positions = random_crystals(4, 3, seed=8, edges=(6.0, 8.0))
    numbers = torch.where(numbers > 0, 30, 0)
    factors = structure_factors(lattice, numbers, positions, miller_indices("full", 20)) * inside_nyquist(20)
    factors = structure_factors_from_map(band_limited_density(lattice, numbers, positions, 20, 0.25), lattice)
    assert (atoms_found(factors, lattice, numbers, positions) == 1).all()
    elsewhere = (positions + torch.tensor([0.5, 0.0, 0.0])) % 1
    assert (atoms_found(factors, lattice, numbers, elsewhere)[(numbers > 0).sum(1) == 1] == 0).all()
