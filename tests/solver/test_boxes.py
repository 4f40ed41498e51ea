"""Crystals on boxes of their own: the solver's result depends neither on the box, nor the axes, nor the batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from phaselearn.crystal.judgement import judge
from phaselearn.crystal.layout import friedel_mate, miller_box, resized
from phaselearn.crystal.observed import Observed, box_for
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.phasing.charge_flipping import ChargeFlipping
from phaselearn.phasing.search import search
from tests.phasing import atoms
from tests.phasing.plan import PLAN
from tests.solver.model import crystals, given, solver, unchanging

LONG = torch.tensor([[5.0, 0, 0], [0.4, 6.5, 0], [-0.5, 0.7, 24.0]])


def long_crystal(count: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    """Return a triclinic cell of 5 × 6.5 × 24 Å with atoms in a row that do not overlap."""
    generator = torch.Generator().manual_seed(3)
    positions = torch.rand(count, 3, generator=generator)
    positions[:, 2] = (torch.arange(count) + 0.3 * positions[:, 2]) / count
    return LONG[None], torch.randint(6, 18, (1, count), generator=generator), positions[None]


def listed(d_min: float, lattice: Tensor, numbers: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Return Miller indices (H, 3), one of each Friedel pair, and |F| (H,)."""
    largest = (lattice[0].norm(dim=1) / d_min).int().tolist()
    hkl = torch.cartesian_prod(*(torch.arange(-index, index + 1) for index in largest))
    square = (hkl.float() @ torch.linalg.inv(lattice[0]).mT).square().sum(1)
    first = (hkl @ torch.tensor([10_000, 100, 1])) > 0
    hkl = hkl[first & (square <= 1 / d_min**2)]
    factors = structure_factors(lattice, numbers, positions, miller_box(box_for(largest)))[0]
    return hkl, factors[hkl.unbind(1)].abs()


def test_flipping_solves_a_list_of_reflections_on_the_crystals_own_box() -> None:
    lattice, numbers, positions = long_crystal()
    observed = Observed.from_reflections(*listed(1.0, lattice, numbers, positions), lattice[0])
    assert len(set(observed.shape)) == 3
    solution = search(observed, ChargeFlipping(150, (1.0,), 0.2, 0.7, 0.2), PLAN, 0, [0])
    assert solution.factors.shape == observed.mask.shape
    torch.testing.assert_close(solution.factors, friedel_mate(solution.factors).conj(), rtol=1e-3, atol=1e-2)
    judgement, _ = judge(solution.factors, observed, numbers, positions)
    assert judgement.solved.all()


def with_sigma(observed: Observed) -> Observed:
    """Return the same with an error of a tenth of each intensity, so that reflections have weights of their own."""
    return replace(observed, sigma=0.1 * observed.amplitude.square())


@pytest.mark.parametrize("axes", [(0, 2, 1), (2, 0, 1), (2, 1, 0)])
def test_the_names_of_the_axes_change_no_verdict_of_the_solver(axes: tuple[int, int, int]) -> None:
    lattice, numbers, positions = long_crystal()
    hkl, amplitude = listed(1.3, lattice, numbers, positions)
    order = list(axes)
    model = solver(counts=(2,), refined=1, refinement=atoms.REFINEMENT, finest=1.4, passes=1)
    found, turned = (
        model.solve(with_sigma(Observed.from_reflections(hkl[:, which], amplitude, lattice[0, which])), [7])
        for which in ([0, 1, 2], order)
    )
    expected = found.factors.permute(0, *(axis + 1 for axis in order))
    torch.testing.assert_close(turned.factors, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())
    for name in ("agreement", "expected_correlation"):
        torch.testing.assert_close(getattr(turned, name), getattr(found, name), rtol=1e-4, atol=1e-4)


def test_neither_companions_nor_a_larger_box_change_what_is_found() -> None:
    lattice, numbers, positions = long_crystal()
    long = with_sigma(Observed.from_reflections(*listed(1.3, lattice, numbers, positions), lattice[0]))
    others = crystals()
    short = with_sigma(atoms.observed_to(1.6, *others))
    together = Observed.joined([short, long])
    assert together.shape == (14, 14, long.shape[2])
    # Refinement from random phases ends in no minimum, and would let the rounding of a batch grow.
    whole = {
        7: (long, numbers, positions),
        **{row: (short[[row]], *(each[[row]] for each in others[1:])) for row in range(3)},
    }

    def rough(number: int, names: list[int]) -> Tensor:
        each = (atoms.disturbed(*whole[name], degrees=30 + 10 * number) for name in names)
        return torch.cat([resized(phases, together.shape) for phases in each])

    options = {"refined": 1, "refinement": atoms.REFINEMENT, "finest": 1.3, "passes": 1}
    model = solver(unchanging(), given(rough), counts=(2,), **options)
    of_all, of_one, of_three = (
        model.solve(some, names) for some, names in ((together, [0, 1, 2, 7]), (long, [7]), (short, [0, 1, 2]))
    )
    for found, alone in ((of_all[3:], of_one), (of_all[:3], of_three)):
        wanted = resized(alone.factors, together.shape)
        torch.testing.assert_close(found.factors, wanted, rtol=1e-4, atol=1e-4 * wanted.abs().max().item())
        torch.testing.assert_close(found.agreement, alone.agreement, rtol=1e-4, atol=1e-4)


def test_methods_run_more_cycles_on_large_grids_and_no_more_on_ordinary_ones() -> None:
    method = ChargeFlipping(10, (1.0,), 0.2, 0.7, 0.2)
    plan = replace(PLAN, restarts=1, rounds=1, agreement=1.1, settled=1.1)
    lattice, numbers, positions = long_crystal()
    hkl, amplitude = listed(1.0, lattice, numbers, positions)
    cycles = []
    for stretch in (1, 8):
        # Every eighth plane along c: the same reflections, of a cell that holds eight of the crystal's.
        index, cell = hkl * torch.tensor([1, 1, stretch]), lattice[0] * torch.tensor([1.0, 1.0, stretch])[:, None]
        observed = Observed.from_reflections(index, amplitude, cell)
        cycles.append(search(observed, method, plan, 0, [0]).cycles.item())
    assert cycles[0] == 10
    assert cycles[1] > 20
