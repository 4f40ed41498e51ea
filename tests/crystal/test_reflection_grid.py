"""Reflections on grids no finer than they need."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch

from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import miller_indices
from phaselearn.crystal.observed import Observed
from phaselearn.crystal.reflection_grid import ReflectionGrid, grid_shapes
from tests.solver.crystals import factors_of, observed_to, triclinic


def grid_of(observed: Observed, row: int) -> ReflectionGrid:
    one = Observed(observed.amplitude[row : row + 1], observed.mask[row : row + 1], observed.lattice[row : row + 1])
    return ReflectionGrid.of(one, tuple(grid_shapes(one)[0].tolist()))


def laid_on_grids(seed: int) -> Iterator[tuple[torch.Tensor, Observed, ReflectionGrid, int]]:
    """Yield structure factors and reflections of five crystals, and each crystal's grid with its row."""
    lattice, numbers, positions = triclinic(5, seed=seed)
    factors = factors_of(lattice, numbers, positions)
    observed = observed_to(1.2, lattice, factors)
    for row in range(5):
        yield factors, observed, grid_of(observed, row), row


def test_the_grid_holds_every_reflection_and_no_more() -> None:
    lattice, numbers, positions = triclinic(5)
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))
    for row in range(5):
        grid = grid_of(observed, row)
        half = grid.measured[0]
        # Reflections with l = 0 are both there, of the others one of a Friedel pair is.
        assert 2 * half.sum() - half[..., 0].sum() == observed.mask[row].sum()
        indices = observed.mask[row].nonzero()
        indices = torch.where(indices >= 8, indices - 16, indices).abs().amax(0)
        edges = lattice[row].norm(dim=-1).argsort()
        assert grid.shape == tuple((2 * indices[edges] + 2).tolist())


def test_structure_factors_return_from_the_grid_unchanged() -> None:
    for factors, observed, grid, row in laid_on_grids(seed=1):
        back = grid.full_box(grid.on_grid(factors[row : row + 1]), (16, 16, 16))[0]
        torch.testing.assert_close(back, factors[row] * observed.mask[row], rtol=1e-4, atol=1e-3)


def test_amplitudes_are_those_of_the_judged_map_at_unit_variance() -> None:
    for _, observed, grid, row in laid_on_grids(seed=2):
        back = grid.full_box(grid.amplitude.to(torch.complex64), (16, 16, 16))[0].real
        wanted = observed.map_amplitude()[row]
        torch.testing.assert_close(back / back.norm(), wanted / wanted.norm(), rtol=1e-4, atol=1e-6)
        assert grid.map_of(grid.amplitude.to(torch.complex64)).square().mean().item() == pytest.approx(1, rel=1e-4)


def test_normalised_amplitudes_do_not_fall_with_resolution() -> None:
    """Atoms that all vibrate with B = 6 Å² have the same |E| as atoms at rest, but for the width of a shell;
    their |F| differ by far more."""
    lattice, numbers, positions = triclinic(40, seed=3)
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))
    square = inverse_d_squared(lattice, miller_indices("full", 16))
    blurred = Observed(observed.amplitude * torch.exp(-6 / 4 * square), observed.mask, lattice)
    for row in range(40):
        still, vibrating = grid_of(observed, row), grid_of(blurred, row)
        normalised, amplitude = (
            torch.nn.functional.cosine_similarity(first.flatten(), second.flatten(), 0)
            for first, second in ((still.normalised, vibrating.normalised), (still.amplitude, vibrating.amplitude))
        )
        assert normalised > 0.995
        assert 1 - normalised < 0.2 * (1 - amplitude)


def test_absent_shells_leave_normalised_amplitudes_finite() -> None:
    lattice, numbers, positions = triclinic(4, seed=6)
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))
    square = inverse_d_squared(lattice, miller_indices("full", 16))
    absent = Observed(observed.amplitude * (square < 0.25), observed.mask, lattice)
    grid = ReflectionGrid.of(absent, tuple(grid_shapes(absent).amax(0).tolist()))
    assert torch.isfinite(grid.normalised).all()
    assert (grid.normalised[grid.amplitude == 0] == 0).all()


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
def test_the_order_of_the_axes_does_not_matter(axes: tuple[int, int, int]) -> None:
    lattice, numbers, positions = triclinic(2, seed=4)
    factors = factors_of(lattice, numbers, positions)
    observed = observed_to(1.2, lattice, factors)
    turned = Observed(
        *(box.permute(0, *(axis + 1 for axis in axes)) for box in (observed.amplitude, observed.mask)),
        lattice[:, list(axes)],
    )
    for row in range(2):
        first, second = grid_of(observed, row), grid_of(turned, row)
        torch.testing.assert_close(first.amplitude, second.amplitude)
        torch.testing.assert_close(first.description, second.description)
