"""The search over starts: how many, which are refined as atoms, which crystals get another round."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from phaselearn.benchmark.runner import figures_of
from phaselearn.crystal.layout import friedel_mate, resized
from phaselearn.crystal.observed import Observed, box_for
from phaselearn.crystal.reflection_grid import ReflectionGrid
from phaselearn.phasing.refinement import Refinement
from phaselearn.phasing.search import search
from phaselearn.phasing.solution import Solution
from phaselearn.phasing.starts import RandomStarts, Starts
from tests.phasing import atoms
from tests.solver.crystals import factors_of, observed_to, triclinic
from tests.solver.model import crystals, flipped_starts, given, searches, small_network, solver, unchanging


def test_more_starts_hold_the_fewer_and_the_score_rises() -> None:
    lattice, numbers, positions = triclinic(4)
    risen = []
    for crystal in range(4):
        rows = slice(crystal, crystal + 1)
        observed = observed_to(1.2, lattice[rows], factors_of(lattice[rows], numbers[rows], positions[rows]))
        # R depends a little on grid and axes: here they are the solver's own, on a cube that holds the reflections.
        size = 2 * int(observed.largest_indices().max()) + 2
        observed = observed.cropped((size, size, size)).reordered(observed.axis_order())
        scores = []
        for counts in ((1,), (4,)):
            solution = solver(counts=counts).solve(observed, [crystal])
            assert solution.expected_correlation is not None
            r_factor = figures_of(solution.factors, observed)["r_factor"]
            scores.append((solution.expected_correlation / 2 - r_factor).item())
        risen.append(scores[1] - scores[0])
    assert min(risen) >= -1e-3
    assert max(risen) > 1e-2


def test_starts_are_as_many_as_there_is_time_for() -> None:
    lattice, numbers, positions = triclinic(4)
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))
    options = {"counts": (1, 4), "trusted": 9, "begin": flipped_starts()}
    hurried, patient = (solver(**options, seconds=seconds).solve(observed, [0, 1, 2, 3]) for seconds in (1e-9, 1e9))
    one, all_of_them = (
        solver(**options | {"counts": counts}).solve(observed, [0, 1, 2, 3]) for counts in ((1,), (1, 4))
    )
    torch.testing.assert_close(hurried.factors, one.factors)
    torch.testing.assert_close(patient.factors, all_of_them.factors, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(patient.expected_correlation, all_of_them.expected_correlation, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(one.factors, all_of_them.factors, atol=0.1)


def test_the_best_starts_are_refined_as_atoms_where_that_is_believed() -> None:
    lattice, numbers, positions = crystals()
    observed = atoms.observed_to(1.6, lattice, numbers, positions)
    rough = [atoms.disturbed(observed, numbers, positions, degrees) for degrees in (30, 1000)]
    options = {"counts": (2,), "begin": given(lambda number, names: rough[number][names]), "finest": 1.4}

    def solved(**changes) -> Tensor:
        return solver(unchanging(), **options | changes).solve(observed, [0, 1, 2]).factors

    refined, not_refined = solved(refined=2, refinement=atoms.REFINEMENT), solved()
    assert (atoms.correlation(not_refined, observed, numbers, positions) < 0.95).all()
    assert (atoms.correlation(refined, observed, numbers, positions) > 0.99).all()
    kept = solved(refined=2, refinement=replace(atoms.REFINEMENT, largest_r=1e-9))
    torch.testing.assert_close(kept, not_refined)


def test_only_crystals_that_neither_atoms_nor_another_start_settle_get_further_starts() -> None:
    lattice, numbers, positions = crystals()
    observed = atoms.observed_to(1.6, lattice, numbers, positions)
    wrong, also_wrong, rough = (atoms.disturbed(observed, numbers, positions, degrees) for degrees in (1000, 700, 30))
    is_first = (torch.arange(3) == 0)[:, None, None, None]
    asked = []

    def phases(number: int, names: list[int]) -> Tensor:
        asked.append((number, names))
        # Atoms explain the first crystal, two starts of the second agree, and the third is in doubt.
        first = [torch.where(is_first, rough, wrong), torch.where(is_first, rough, also_wrong)]
        first[1][1] = wrong[1]
        return [*first, also_wrong, rough][number][names]

    def solved(*counts: int) -> Solution:
        options = {"counts": counts, "trusted": 2, "refined": 2, "refinement": atoms.REFINEMENT}
        return solver(unchanging(), given(phases), **options, finest=1.4).solve(observed, [0, 1, 2])

    once, twice = (atoms.correlation(solved(*n).factors, observed, numbers, positions) for n in ((2,), (2, 4)))
    assert asked == [(0, [0, 1, 2]), (1, [0, 1, 2])] * 2 + [(2, [2]), (3, [2])]
    torch.testing.assert_close(twice[:2], once[:2])
    assert once[2] < 0.95
    assert twice[2] > 0.99


def test_two_starts_that_agree_are_not_trusted_before_there_are_enough() -> None:
    lattice, numbers, positions = crystals()
    observed = atoms.observed_to(1.6, lattice, numbers, positions)
    wrong, rough = (atoms.disturbed(observed, numbers, positions, degrees) for degrees in (1000, 30))
    is_first = (torch.arange(3) == 0)[:, None, None, None]
    asked = []

    def phases(number: int, names: list[int]) -> Tensor:
        asked.append((number, names))
        return (torch.where(is_first, rough, wrong) if number < 2 else rough)[names]

    options = {"counts": (1, 2, 3), "trusted": 3, "refined": 3, "refinement": atoms.REFINEMENT}
    model = solver(unchanging(), given(phases), **options, finest=1.4)
    first, second, third = model.stages(observed, [0, 1, 2])
    assert asked == [(0, [0, 1, 2]), (1, [1, 2]), (2, [1, 2])]
    assert [stage.starts for stage in (first, second, third)] == [1, 2, 3]
    assert [stage.ran.tolist() for stage in (first, second)] == [[True, True, True], [False, True, True]]
    assert (atoms.correlation(second.solution.factors, observed, numbers, positions)[1:] < 0.95).all()
    assert (atoms.correlation(third.solution.factors, observed, numbers, positions) > 0.99).all()


def test_crystals_with_more_fine_reflections_than_coarse_ones_get_fewer_starts() -> None:
    lattice, numbers, positions = triclinic(3)
    coarse, fine = (observed_to(d_min, lattice, factors_of(lattice, numbers, positions)) for d_min in (1.5, 0.9))
    for observed, expected in ((coarse, [1, 2, 3]), (fine, [1, 2])):
        stages = solver(counts=(1, 2, 3), trusted=9, settled=2.0, fine=1.4, searches=2).stages(observed, [0, 1, 2])
        assert [stage.starts for stage in stages] == expected


def test_starts_of_flipping_are_short_runs_and_searches_where_the_data_are_fine() -> None:
    lattice, numbers, positions = triclinic(3)
    observed = observed_to(1.0, lattice, factors_of(lattice, numbers, positions))
    observed = observed.with_rows(torch.tensor([0]), observed[:1].cut(1.6))
    starts = flipped_starts()
    assert observed.is_mostly_finer(1.5).tolist() == [False, True, True]
    other = replace(starts.method, weak_share=0.4)
    begun = replace(starts, fine=1.5, thorough=[other])(observed, [0, 1, 2], 0, range(2)).factors.unflatten(0, (3, 2))
    first = starts.method.thresholds[0]
    run = replace(starts.method, iterations=starts.iterations, thresholds=(first,))
    once = replace(starts.plan, restarts=1, rounds=1)
    expected = (
        search(observed[:1], run, once, 0, [0]).factors,
        search(observed[:1], replace(run, thresholds=starts.method.thresholds[1:]), once, 1, [0]).factors,
    )
    for number, (short, method) in enumerate(zip(expected, (starts.method, other), strict=True)):
        torch.testing.assert_close(begun[:1, number], short, rtol=1e-3, atol=1e-2)
        again = search(observed, method, starts.plan, number, [0, 1, 2]).factors
        torch.testing.assert_close(begun[1:, number], again[1:], rtol=1e-3, atol=1e-2)
    assert not torch.allclose(begun[:1, 0], begun[:1, 1], atol=0.1)


def test_atoms_that_fit_fine_data_settle_them_where_the_noise_is_not_known() -> None:
    lattice, numbers, positions = crystals()
    exact = atoms.observed_to(1.4, lattice, numbers, positions)
    intensity = exact.amplitude.square()
    error = torch.randn(intensity.shape, generator=torch.Generator().manual_seed(1))
    noisy = (intensity + 0.1 * intensity * (error + friedel_mate(error))).clamp_min(0).sqrt()
    rough = atoms.disturbed(exact, numbers, positions, 10)
    starts = given(lambda number, names: rough[names])
    options = {"counts": (1, 2), "trusted": 9, "settled": 2.0, "fine": 2.4, "searches": 2, "finest": 1.3}
    model = solver(unchanging(), starts, refined=1, refinement=atoms.REFINEMENT, **options)
    # A σ far too small: no atoms fit as well as it asks for.
    for sigma, expected in ((None, [1]), (1e-6 * intensity, [1, 2])):
        observed = Observed(noisy, exact.mask, lattice, sigma)
        assert [stage.starts for stage in model.stages(observed, [0, 1, 2])] == expected


def test_starts_that_agree_on_atoms_that_do_not_fit_settle_nothing() -> None:
    lattice, numbers, positions = crystals()
    observed = atoms.observed_to(1.6, lattice, numbers, positions)
    wrong, rough = (atoms.disturbed(observed, numbers, positions, degrees) for degrees in (1000, 30))

    def starts_of(refinement: Refinement | None) -> list[int]:
        model = solver(
            unchanging(),
            given(lambda number, names: (wrong if number < 2 else rough)[names]),
            **{"counts": (2, 4), "trusted": 2, "refined": 2, "refinement": refinement, "finest": 1.4},
        )
        return [stage.starts for stage in model.stages(observed, [0, 1, 2])]

    assert starts_of(None) == [2]
    assert starts_of(replace(atoms.REFINEMENT, largest_r=0.05)) == [2, 4]


def test_a_network_that_changes_nothing_hands_on_what_flipping_found() -> None:
    lattice, numbers, positions = triclinic(3)
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))
    flipping = flipped_starts()
    found = solver(unchanging(), flipping).solve(observed, [0, 1, 2]).factors
    torch.testing.assert_close(found, flipping(observed, [0, 1, 2], 0, range(1)).factors, rtol=1e-3, atol=1e-2)


def test_reflections_beyond_the_network_keep_the_phases_of_flipping() -> None:
    lattice, numbers, positions = triclinic(3)
    observed = observed_to(0.9, lattice, factors_of(lattice, numbers, positions))
    flipping = flipped_starts()
    model = solver(begin=flipping, finest=1.4, cycles=0)
    beyond = observed.mask & ~observed.cut(1.4).mask
    found, begun = (
        solution.factors[beyond]
        for solution in (model.solve(observed, [0, 1, 2]), flipping(observed, [0, 1, 2], 0, range(1)))
    )
    torch.testing.assert_close(found, begun, rtol=1e-3, atol=1e-2)
    assert len(found) > 100


@pytest.mark.parametrize("starts", [RandomStarts(), flipped_starts(), searches()])
def test_starts_differ_and_depend_neither_on_the_batch_nor_on_the_box(starts: Starts) -> None:
    lattice, numbers, positions = triclinic(3)
    observed = observed_to(1.6, lattice, factors_of(lattice, numbers, positions))
    found = starts(observed, [0, 1, 2], 0, range(3)).factors.unflatten(0, (3, 3))
    assert not torch.allclose(found[:, 0], found[:, 2], atol=1.0)
    last = observed[2:].cropped(box_for(observed[2:].largest_indices()[0].tolist()))
    alone = resized(starts(last, [2], 0, range(2, 3)).factors, observed.shape)
    torch.testing.assert_close(alone[0], found[2, 2], rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(found, friedel_mate(found).conj(), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("begin", [None, flipped_starts()])
def test_a_crystal_does_not_depend_on_its_batch(begin: Starts | None) -> None:
    lattice, numbers, positions = triclinic(3)
    observed = observed_to(1.6, lattice, factors_of(lattice, numbers, positions))
    last = observed[2:]
    model = solver(begin=begin)
    both = model.solve(observed, [0, 1, 2]).factors[2:], model.solve(last, [2]).factors
    torch.testing.assert_close(*both, rtol=1e-3, atol=1e-2)


def test_a_start_that_comes_to_no_numbers_is_not_chosen() -> None:
    lattice, numbers, positions = triclinic(3)
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))
    network = small_network()

    class FirstFails(torch.nn.Module):
        def improve(self, grid: ReflectionGrid, phases: Tensor) -> tuple[Tensor, Tensor]:
            half, expected = network.improve(grid, phases)
            half[::3], expected[::3] = torch.nan, torch.nan
            return half, expected

    solution = solver(FirstFails(), counts=(3,)).solve(observed, [0, 1, 2])
    assert torch.isfinite(torch.view_as_real(solution.factors)).all()
    assert torch.isfinite(solution.expected_correlation).all()
