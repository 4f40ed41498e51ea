"""The search over starts: how many, which are refined as atoms, which crystals get another round."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from phaselearn.benchmark.runner import figures_of
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.reflection_grid import ReflectionGrid
from phaselearn.phasing.flipped_starts import FlippedStarts
from phaselearn.phasing.solution import Solution
from tests.phasing import atoms
from tests.solver.crystals import factors_of, observed_to, triclinic
from tests.solver.model import flipped_starts, solver, unchanging


def test_more_starts_hold_the_fewer_and_the_score_rises() -> None:
    lattice, numbers, positions = triclinic(4)
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))

    def score(starts: int) -> torch.Tensor:
        solution = solver(count=starts).solve(observed, [0, 1, 2, 3])
        return solution.expected_correlation / 2 - figures_of(solution.factors, observed)["r_factor"]

    one, many = score(1), score(4)
    assert (many >= one - 1e-3).all()
    assert (many > one + 1e-2).any()


def test_starts_are_as_many_as_there_is_time_for() -> None:
    lattice, numbers, positions = triclinic(4)
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))
    options = {"count": 4, "flipping": flipped_starts()}
    hurried, patient = (solver(**options, seconds=seconds).solve(observed, [0, 1, 2, 3]) for seconds in (1e-9, 1e9))
    one, all_of_them = (solver(**options | {"count": n}).solve(observed, [0, 1, 2, 3]) for n in (1, 4))
    torch.testing.assert_close(hurried.factors, one.factors)
    torch.testing.assert_close(patient.factors, all_of_them.factors, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(patient.expected_correlation, all_of_them.expected_correlation, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(one.factors, all_of_them.factors, atol=0.1)


def crystals() -> tuple[Tensor, Tensor, Tensor]:
    """Return crystals with edges a ≤ b ≤ c: the solver asks for trial phases on axes in this order."""
    lattice, numbers, positions = atoms.crystals()
    order = lattice.norm(dim=-1).argsort(1)
    lattice = lattice.gather(1, order[:, :, None].expand_as(lattice))
    return lattice, numbers, positions.gather(2, order[:, None].expand_as(positions))


def test_the_best_starts_are_refined_as_atoms_where_that_is_believed() -> None:
    lattice, numbers, positions = crystals()
    observed = atoms.observed_to(1.6, lattice, numbers, positions)
    rough = [atoms.disturbed(observed, numbers, positions, degrees) for degrees in (30, 1000)]
    options = {"count": 2, "flipping": lambda *arguments: rough[arguments[-1]], "finest": 1.4}

    def solved(**changes) -> Tensor:
        return solver(unchanging(), **options | changes).solve(observed, [0, 1, 2]).factors

    refined, not_refined = solved(refined=2, refinement=atoms.REFINEMENT), solved()
    assert (atoms.correlation(not_refined, observed, numbers, positions) < 0.95).all()
    assert (atoms.correlation(refined, observed, numbers, positions) > 0.99).all()
    for changes in ({"largest_r": 1e-9}, {"most_reflections": 1}):
        kept = solved(refined=2, refinement=replace(atoms.REFINEMENT, **changes))
        torch.testing.assert_close(kept, not_refined)


def test_only_crystals_that_a_round_of_starts_does_not_settle_get_another() -> None:
    lattice, numbers, positions = crystals()
    observed = atoms.observed_to(1.6, lattice, numbers, positions)
    wrong, also_wrong, rough = (atoms.disturbed(observed, numbers, positions, degrees) for degrees in (1000, 700, 30))
    is_first = (torch.arange(3) == 0)[:, None, None, None]
    asked = []

    def given(some: Observed, names: list[int], seed: int, start: int) -> Tensor:
        asked.append((start, names))
        # Atoms explain the first crystal, two starts of the second agree, and the third is in doubt.
        first_round = [torch.where(is_first, rough, wrong), torch.where(is_first, rough, also_wrong)]
        first_round[1][1] = wrong[1]
        return [*first_round, also_wrong, rough][start][names]

    def solved(rounds: int) -> Solution:
        options = {"count": 2, "refined": 2, "refinement": atoms.REFINEMENT, "flipping": given}
        return solver(unchanging(), **options, rounds=rounds, finest=1.4).solve(observed, [0, 1, 2])

    once, twice = (atoms.correlation(solved(n).factors, observed, numbers, positions) for n in (1, 2))
    assert asked == [(0, [0, 1, 2]), (1, [0, 1, 2])] * 2 + [(2, [2]), (3, [2])]
    torch.testing.assert_close(twice[:2], once[:2])
    assert once[2] < 0.95
    assert twice[2] > 0.99


def test_crystals_that_atoms_of_the_first_starts_explain_get_no_others() -> None:
    lattice, numbers, positions = crystals()
    observed = atoms.observed_to(1.6, lattice, numbers, positions)
    wrong, rough = (atoms.disturbed(observed, numbers, positions, degrees) for degrees in (1000, 30))
    is_first = (torch.arange(3) == 0)[:, None, None, None]
    asked = []

    def given(some: Observed, names: list[int], seed: int, start: int) -> Tensor:
        asked.append((start, names))
        return (torch.where(is_first, rough, wrong) if start == 0 else rough)[names]

    options = {"count": 3, "first": 1, "refined": 3, "refinement": atoms.REFINEMENT, "flipping": given}
    solution = solver(unchanging(), **options, finest=1.4).solve(observed, [0, 1, 2])
    assert asked == [(0, [0, 1, 2]), (1, [1, 2]), (2, [1, 2])]
    assert (atoms.correlation(solution.factors, observed, numbers, positions) > 0.99).all()


def test_a_network_that_changes_nothing_hands_on_what_flipping_found() -> None:
    lattice, numbers, positions = triclinic(3)
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))
    flipping = flipped_starts()
    found = solver(unchanging(), flipping=flipping).solve(observed, [0, 1, 2]).factors
    torch.testing.assert_close(found, flipping(observed, [0, 1, 2], 0, 0), rtol=1e-3, atol=1e-2)


def test_reflections_beyond_the_network_keep_the_phases_of_flipping() -> None:
    lattice, numbers, positions = triclinic(3)
    observed = observed_to(0.9, lattice, factors_of(lattice, numbers, positions))
    flipping = flipped_starts()
    model = solver(flipping=flipping, finest=1.4, extension_cycles=0)
    beyond = observed.mask & ~observed.cut(1.4).mask
    found, given = (
        factors[beyond] for factors in (model.solve(observed, [0, 1, 2]).factors, flipping(observed, [0, 1, 2], 0, 0))
    )
    torch.testing.assert_close(found, given, rtol=1e-3, atol=1e-2)
    assert len(found) > 100


def test_starts_of_flipping_differ_and_do_not_depend_on_the_batch() -> None:
    lattice, numbers, positions = triclinic(3)
    observed = observed_to(1.6, lattice, factors_of(lattice, numbers, positions))
    flipping = flipped_starts()
    last = observed[2:]
    first, second = (flipping(observed, [0, 1, 2], 0, start) for start in (0, 1))
    assert not torch.allclose(first, second, atol=1.0)
    torch.testing.assert_close(flipping(last, [2], 0, 1), second[2:], rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("flipping", [None, flipped_starts()])
def test_a_crystal_does_not_depend_on_its_batch(flipping: FlippedStarts | None) -> None:
    lattice, numbers, positions = triclinic(3)
    observed = observed_to(1.6, lattice, factors_of(lattice, numbers, positions))
    last = observed[2:]
    model = solver(flipping=flipping)
    both = model.solve(observed, [0, 1, 2]).factors[2:], model.solve(last, [2]).factors
    torch.testing.assert_close(*both, rtol=1e-3, atol=1e-2)


def test_a_start_that_comes_to_no_numbers_is_not_chosen() -> None:
    lattice, numbers, positions = triclinic(3)
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))
    model = solver(count=3)

    class FirstFails:
        def improve(self, grid: ReflectionGrid, phases: Tensor) -> tuple[Tensor, Tensor]:
            half, expected = model.network.improve(grid, phases)
            half[::3], expected[::3] = torch.nan, torch.nan
            return half, expected

    solution = replace(model.search, network=FirstFails()).solve(observed, [0, 1, 2])
    assert torch.isfinite(torch.view_as_real(solution.factors)).all()
    assert torch.isfinite(solution.expected_correlation).all()
