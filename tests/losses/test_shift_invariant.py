"""The shift-invariant losses against brute force over all shifts and both hands."""

from itertools import product

import pytest
import torch

from phaselearn.crystal.alignment import Alignment
from phaselearn.losses.aligned import Aligned
from phaselearn.losses.correlation import Correlation
from phaselearn.losses.energy import EnergyDistance
from phaselearn.losses.mse import MeanSquaredError
from phaselearn.losses.shift_invariant import ShiftInvariant
from phaselearn.losses.shifts import laid
from tests.losses.samples import TRICLINIC, random_maps

BASES = {"mse": MeanSquaredError, "correlation": Correlation}
SHAPE = (4, 6, 8)


def every_shift(base, prediction, target, inversion):
    """Return the base loss for each shift of the target, (shifts, B), by trying them."""
    hands = [target, target.flip(1, 2, 3)] if inversion else [target]
    shifts = product(*map(range, SHAPE))
    return torch.stack(
        [BASES[base]()(prediction, hand.roll(shift, (1, 2, 3)), {}) for shift in shifts for hand in hands]
    )


@pytest.mark.parametrize("inversion", [False, True])
@pytest.mark.parametrize("base", sorted(BASES))
def test_is_the_least_over_all_shifts(base, inversion):
    prediction, target = random_maps(4, SHAPE), random_maps(4, SHAPE, 1)
    expected, _ = every_shift(base, prediction, target, inversion).min(0)
    torch.testing.assert_close(ShiftInvariant(base, inversion)(prediction, target, {}), expected)


@pytest.mark.parametrize("inversion", [False, True])
@pytest.mark.parametrize("base", sorted(BASES))
def test_gradient_is_that_of_the_least(base, inversion):
    prediction, target = random_maps(4, SHAPE).requires_grad_(), random_maps(4, SHAPE, 1)
    expected = torch.autograd.grad(every_shift(base, prediction, target, inversion).min(0).values.sum(), prediction)
    given = torch.autograd.grad(ShiftInvariant(base, inversion)(prediction, target, {}).sum(), prediction)
    torch.testing.assert_close(given, expected)


@pytest.mark.parametrize("base", sorted(BASES))
def test_soft_minimum_is_that_over_all_shifts(base):
    prediction, target = random_maps(3, SHAPE), random_maps(3, SHAPE, 1)
    every = every_shift(base, prediction, target, True)
    for temperature in (0.02, 0.5):
        expected = -temperature * torch.exp(-every / temperature).mean(0).log()
        given = ShiftInvariant(base, temperature=temperature)(prediction, target, {})
        torch.testing.assert_close(given, expected)
        assert (given >= every.min(0).values).all()


def band_limited(size):
    """Return random maps without Nyquist planes."""
    spectrum = torch.fft.fftn(random_maps(3, size), dim=(1, 2, 3))
    for axis in (1, 2, 3):
        spectrum.index_fill_(axis, torch.tensor([size // 2]), 0)
    return torch.fft.ifftn(spectrum, dim=(1, 2, 3)).real


def test_a_shift_between_voxels_costs_nothing_where_it_is_looked_for():
    target = band_limited(8)
    shift = torch.tensor([[0.03, 0.41, 0.77], [0.5, 0.06, 0.2], [0.0, 0.93, 0.31]], dtype=torch.float64)
    moved = laid(target, Alignment(shift, torch.tensor([False, True, False]), torch.ones(3)))
    assert (ShiftInvariant()(moved, target, {}) > 1e-2).all()
    assert (ShiftInvariant(subvoxel=True)(moved, target, {}) < 1e-12).all()
    batch = {"lattice": TRICLINIC.expand(3, 3, 3)}
    assert (Aligned(EnergyDistance(), subvoxel=True)(moved, target, batch) < 1e-12).all()


def test_aligned_gradient_flows_through_the_moved_prediction():
    target = random_maps(2, SHAPE)
    noise = 0.1 * random_maps(2, SHAPE, 1)
    moved = (target + noise).roll((1, 2, 3), (1, 2, 3)).requires_grad_()
    still = (target + noise).requires_grad_()
    batch = {"lattice": TRICLINIC.expand(2, 3, 3)}
    Aligned(EnergyDistance())(moved, target, batch).sum().backward()
    EnergyDistance()(still, target, batch).sum().backward()
    torch.testing.assert_close(moved.grad, still.grad.roll((1, 2, 3), (1, 2, 3)))
