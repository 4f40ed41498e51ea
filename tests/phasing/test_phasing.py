"""Properties of the parts of the classical methods."""

import math
from dataclasses import replace

import pytest
import torch

from phaselearn.crystal.alignment import align
from phaselearn.crystal.judgement import judge, true_map_factors
from phaselearn.crystal.layout import friedel_mate, miller_indices
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.phasing.charge_flipping import ChargeFlipping, quarter_turn, weakest
from phaselearn.phasing.dual_space import DualSpace
from phaselearn.phasing.figures_of_merit import inversion, likeness, overlap, peakiness, r_factor, skewness
from phaselearn.phasing.measurement import AmplitudeConstraint, Measurement, map_of, power, resized, transform
from phaselearn.phasing.projections import eliminate_low_density, keep_largest, threshold
from phaselearn.phasing.raar import RelaxedReflections
from phaselearn.phasing.random_phases import random_start
from phaselearn.phasing.search import grid_shapes, search
from tests.conftest import random_crystals
from tests.phasing.plan import PLAN

SIZE = 12
FINE = (2 * SIZE,) * 3
METHODS = {
    "charge_flipping": ChargeFlipping(120, (1.0,), 0.2, 0.7, 0.2),
    "raar": RelaxedReflections(120, 0.8, (0.08, 0.12)),
    "dual_space": DualSpace(iterations=120, atom_volume=20.0, omitted=0.3, least_e=1.0),
}


def observe(crystals, size=SIZE, keep=None):
    lattice, numbers, positions = crystals
    lattice = lattice.float()
    intensity = structure_factors(lattice, numbers, positions, miller_indices("full", size)).abs().square()
    mask = torch.ones_like(intensity, dtype=torch.bool) if keep is None else keep
    return Observed.from_intensity(intensity * mask, mask, "full", lattice)


@pytest.fixture(scope="module")
def crystals():
    return random_crystals(4, 6, seed=3, edges=(4.0, 6.0))


@pytest.fixture(scope="module")
def measurement(crystals):
    return Measurement.of(observe(crystals))


def test_measured_maps_have_unit_variance(measurement):
    density = map_of(random_start(measurement, 0, range(4), [0] * 4))
    torch.testing.assert_close(density.flatten(1).std(1, correction=0), torch.ones(4), rtol=1e-4, atol=1e-4)
    assert density.flatten(1).mean(1).abs().max() < 1e-5


def test_full_boxes_have_the_observed_amplitudes_and_a_real_map(crystals, measurement):
    box = measurement.full_box(random_start(measurement, 0, range(4), [0] * 4))
    expected = observe(crystals).map_amplitude()
    torch.testing.assert_close(box.abs(), expected, rtol=1e-3, atol=1e-3 * expected.max().item())
    torch.testing.assert_close(friedel_mate(box), box.conj(), rtol=1e-3, atol=1e-3 * expected.max().item())


def test_unmeasured_reflections_are_free_within_the_resolution_and_empty_outside(crystals):
    keep = torch.ones(4, SIZE, SIZE, SIZE, dtype=torch.bool)
    keep[:, 1, 2, 0] = keep[:, -1, -2, 0] = False
    keep[:, 5] = keep[:, -5] = False
    measurement = Measurement.of(observe(crystals, keep=keep))
    assert measurement.free[:, 1, 2, 0].all()
    assert not measurement.measured[:, 1, 2, 0].any()
    assert not measurement.free[:, 0, 0, 0].any()
    noise = transform(torch.randn(4, SIZE, SIZE, SIZE, generator=torch.Generator().manual_seed(0)))
    bound = AmplitudeConstraint.of(measurement).apply(noise)
    torch.testing.assert_close(bound[measurement.free], noise[measurement.free])
    assert (bound[~measurement.free & ~measurement.measured] == 0).all()


def test_restarts_do_not_depend_on_their_batch(measurement):
    together = random_start(measurement, 7, [10, 11, 12, 13], [0, 0, 1, 1])
    alone = random_start(measurement[torch.tensor([2])], 7, [12], [1])
    torch.testing.assert_close(together[2:3], alone)
    assert not torch.allclose(together[2], random_start(measurement, 7, range(10, 14), [2] * 4)[2])


def test_a_threshold_leaves_its_share_of_the_voxels():
    density = torch.randn(3, 10, 10, 10, generator=torch.Generator().manual_seed(0))
    above = (density > threshold(density, 0.08)).flatten(1).float().mean(1)
    torch.testing.assert_close(above, torch.full((3,), 0.08), rtol=0, atol=0.002)
    kept = keep_largest(density.clone(), 0.9)
    assert (kept >= 0).all()
    torch.testing.assert_close(keep_largest(kept.clone(), 0.9), kept)


def test_the_weakest_reflections_are_the_asked_share(measurement):
    weak = weakest(measurement, 0.25)
    share = weak.flatten(1).sum(1) / measurement.measured.flatten(1).sum(1)
    assert ((share - 0.25).abs() < 0.02).all()
    for row in range(4):
        strong = measurement.measured[row] & ~weak[row]
        assert measurement.amplitude[row][weak[row]].max() <= measurement.amplitude[row][strong].min()


def test_a_quarter_turn_keeps_maps_real():
    density = torch.randn(2, SIZE, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    spectrum = transform(density)
    turned = spectrum * quarter_turn(spectrum)
    back = transform(torch.fft.irfftn(turned, s=(SIZE,) * 3, dim=(-3, -2, -1)))
    inside = torch.ones_like(back.real, dtype=torch.bool)
    # F(000) and the Nyquist planes are their own mates and cannot be turned.
    inside[:, 0, 0, 0] = inside[:, SIZE // 2] = inside[:, :, SIZE // 2] = inside[..., SIZE // 2] = False
    torch.testing.assert_close(back[inside], turned[inside], rtol=1e-3, atol=1e-3)


def test_figures_of_merit_prefer_the_truth(crystals, measurement):
    true = true_map_factors(observe(crystals), *crystals[1:], "atomic_number")
    true = (true[..., : SIZE // 2 + 1].conj() / measurement.scale[:, None, None, None]).to(torch.complex64)
    false = random_start(measurement, 0, range(4), [0] * 4)
    assert (r_factor(true, measurement, 0.08) < r_factor(false, measurement, 0.08)).all()
    assert (skewness(map_of(true)) > skewness(map_of(false))).all()
    assert (peakiness(map_of(true)) > peakiness(map_of(false))).all()


def test_low_density_elimination_stays_at_the_truth(crystals, measurement):
    true = true_map_factors(observe(crystals), *crystals[1:], "atomic_number")
    start = (true[..., : SIZE // 2 + 1].conj() / measurement.scale[:, None, None, None]).to(torch.complex64)
    found = eliminate_low_density(start, AmplitudeConstraint.of(measurement), 0.1, 10)
    judgement, _ = judge(measurement.full_box(found), observe(crystals), *crystals[1:])
    assert (judgement.correlation > 0.93).all()


@pytest.mark.parametrize("name", METHODS)
def test_methods_solve_random_crystals_from_any_origin_and_hand(name, crystals):
    lattice, numbers, positions = crystals
    shift = torch.tensor([0.137, 0.291, 0.053], dtype=torch.float64)
    for where in (positions, (shift - positions) % 1.0):
        observed = observe((lattice, numbers, where))
        solution = search(observed, METHODS[name], PLAN, 0, range(4))
        judgement, _ = judge(solution.factors, observed, numbers, where)
        assert judgement.solved.all()
        assert (solution.agreement > 0.9).all()


@pytest.mark.parametrize("name", METHODS)
def test_a_crystal_does_not_depend_on_its_batch(name, crystals):
    together = search(observe(crystals), METHODS[name], PLAN, 0, range(4))
    alone = search(observe([values[2:3] for values in crystals]), METHODS[name], PLAN, 0, [2])
    torch.testing.assert_close(together.agreement[2:3], alone.agreement, rtol=1e-3, atol=1e-3)
    assert together.cycles[2] == alone.cycles[0]


def test_crystals_without_agreement_get_more_restarts(crystals):
    plan = replace(PLAN, rounds=3, agreement=1.1, settled=1.1)
    solution = search(observe(crystals), RelaxedReflections(50, 0.8, (0.08,)), plan, 0, range(4))
    assert solution.cycles.tolist() == [3 * 2 * 50] * 4


def test_trajectories_that_settled_are_left_alone(crystals):
    # Nothing correlates less than −1: every trajectory has settled when it is first looked at.
    plan = replace(PLAN, rounds=1, agreement=1.1, settled=-1.0)
    solution = search(observe(crystals), METHODS["raar"], plan, 0, range(4))
    assert solution.cycles.tolist() == [2 * plan.check_every] * 4
    # Maps of solved crystals stop changing where the origin does not drift.
    often = replace(plan, settled=0.9)
    assert (search(observe(crystals), METHODS["raar"], often, 0, range(4)).cycles < 2 * 120).any()


def test_a_flipping_cycle_is_what_the_papers_say(crystals):
    measurement = Measurement.of(observe(crystals))
    start = random_start(measurement, 0, range(4), [0] * 4)
    method = ChargeFlipping(10, (0.7,), 0.7, 1.0, 0.2)
    found = method.advance(start.clone(), method.constraint(measurement), 0, range(1))
    density = map_of(start)
    spectrum = transform(torch.where(density < 0.7, -density, density))
    weak = weakest(measurement, 0.2)
    expected = torch.polar(measurement.amplitude, spectrum.angle())
    expected = torch.where(weak, spectrum * quarter_turn(spectrum), expected)
    expected = torch.where(measurement.free & ~weak, spectrum, expected)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())


def test_a_relaxed_cycle_is_lukes_formula(crystals):
    measurement = Measurement.of(observe(crystals))
    density = torch.randn(4, SIZE, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    # Without Nyquist planes, which the amplitudes empty.
    density = map_of(resized(torch.fft.fftn(density, dim=(1, 2, 3)), (10, 10, 10))[..., :6])
    density = map_of(resized(torch.fft.fftn(density, dim=(1, 2, 3)), (SIZE,) * 3)[..., : SIZE // 2 + 1])
    method = RelaxedReflections(10, 0.75, (0.1,))
    constraint = method.constraint(measurement)

    def amplitudes(values):
        return map_of(constraint.apply(transform(values)))

    def sparse(values):
        return torch.where(values <= threshold(values, 0.1), 0.0, values)

    reflected = 2 * amplitudes(density) - density
    expected = 0.75 / 2 * (2 * sparse(reflected) - reflected + density) + 0.25 * amplitudes(density)
    found = map_of(method.advance(transform(density), constraint, 0, range(1)))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_likeness_is_the_aligned_correlation(crystals, measurement):
    first, second = (random_start(measurement, seed, range(4), [0] * 4) for seed in (0, 1))
    mixed = AmplitudeConstraint.of(measurement).apply(first + 0.8 * second)
    fine = Measurement.of(observe(crystals), FINE)
    for other in (mixed, mixed.conj()):
        boxes = [measurement.full_box(values) for values in (first, other)]
        expected = align(*boxes).correlation
        halves = [resized(box, fine.shape)[..., : SIZE + 1] for box in boxes]
        torch.testing.assert_close(likeness(*halves), expected, rtol=0, atol=0.03)


def test_overlap_is_the_correlation_of_the_maps(measurement):
    first, second = (random_start(measurement, seed, range(4), [0] * 4) for seed in (0, 1))
    mixed = first + 0.5 * second
    expected = [
        torch.corrcoef(torch.stack((map_of(a).flatten(), map_of(b).flatten())))[0, 1]
        for a, b in zip(first[:, None], mixed[:, None], strict=True)
    ]
    torch.testing.assert_close(overlap(first, mixed), torch.stack(expected), rtol=1e-3, atol=1e-3)


def test_only_centrosymmetric_maps_are_their_own_inverse(crystals):
    measurement = Measurement.of(observe(crystals), FINE)
    phased = random_start(measurement, 0, range(4), [0] * 4)
    # Real structure factors have their centre in the origin; a shift moves it elsewhere.
    index = miller_indices("full", 2 * SIZE).float()
    along = 0.13 * index[:, None, None] + 0.29 * index[:, None] + 0.41 * index[: SIZE + 1].abs()
    shifted = phased.real * torch.polar(torch.ones_like(along), 2 * math.pi * along)
    assert (inversion(shifted) > 0.97).all()
    assert (inversion(phased) < 0.7).all()


def test_power_is_the_square_of_the_magnitude(measurement):
    start = random_start(measurement, 0, range(4), [0] * 4)
    torch.testing.assert_close(power(start), start.abs().square())


def test_nothing_measured_gives_an_empty_map(crystals):
    keep = torch.zeros(4, SIZE, SIZE, SIZE, dtype=torch.bool)
    solution = search(observe(crystals, keep=keep), METHODS["charge_flipping"], PLAN, 0, range(4))
    assert torch.isfinite(torch.view_as_real(solution.factors)).all()


def test_finer_grids_hold_the_same_reflections(crystals):
    observed = observe(crystals)
    coarse, fine = Measurement.of(observed), Measurement.of(observed, FINE)
    assert fine.shape == FINE
    assert (fine.measured.sum(), fine.free.sum()) == (coarse.measured.sum(), coarse.free.sum())
    box = fine.full_box(random_start(fine, 0, range(4), [0] * 4))
    expected = observed.map_amplitude()
    torch.testing.assert_close(box.abs(), expected, rtol=1e-3, atol=1e-3 * expected.max().item())
    torch.testing.assert_close(resized(resized(expected, FINE), (SIZE, SIZE, SIZE)), expected)


def test_grids_are_finer_where_strong_reflections_reach_further_and_hold_the_others(crystals):
    lattice, numbers, positions = crystals
    beyond = observe((lattice * 0.1, numbers, positions))
    assert grid_shapes(beyond, 1.6).unique().tolist() == [SIZE]
    long = torch.tensor([0.1, 1.0, 2.0], dtype=lattice.dtype)[:, None]
    assert grid_shapes(observe((torch.diag_embed(5 * torch.ones(1, 3)) * long, numbers[:1], positions[:1])), 1.6)[
        0
    ].tolist() == [12, 18, 18]
    assert grid_shapes(observe(crystals), 10.0).max() <= 2 * SIZE


def test_grids_have_no_largest_size():
    lattice = torch.diag_embed(torch.tensor([[3.0, 5.0, 61.0]]))
    observed = Observed.from_reflections(torch.tensor([[0, 0, 76], [1, 0, 0]]), torch.ones(2), lattice[0])
    assert grid_shapes(observed, 1.6)[0].tolist() == [8, 8, 250]


def test_every_grid_is_at_least_as_fine_as_it_must_be():
    for index in range(1, 130):
        lattice = torch.diag(torch.tensor([3.0, 5.0, 0.8 * index]))
        observed = Observed.from_reflections(torch.tensor([[0, 0, index], [1, 0, 0]]), torch.ones(2), lattice)
        size = grid_shapes(observed, 1.6)[0, 2].item()
        assert size % 2 == 0
        assert 1.6 * (2 * index + 1) <= size <= max(8, 1.6 * 1.34 * (2 * index + 2))


def test_the_order_of_the_axes_does_not_matter(crystals):
    lattice, numbers, positions = crystals
    stretched = lattice * torch.tensor([2.0, 0.7, 1.2], dtype=lattice.dtype)[:, None]
    order = [2, 0, 1]
    for cells, where in ((stretched, positions), (stretched[:, order], positions[:, :, order])):
        observed = observe((cells, numbers, where), size=16)
        assert len(set(grid_shapes(observed, 1.6)[0].tolist())) > 1
        solution = search(observed, METHODS["raar"], PLAN, 0, range(4))
        judgement, _ = judge(solution.factors, observed, numbers, where)
        assert judgement.solved.all()
