"""Distances between distributions against POT, closed forms and linear programming."""

import math

import numpy as np
import ot
import pytest
import torch

from phaselearn.errors import UserError
from phaselearn.losses.energy import EnergyDistance
from phaselearn.losses.sinkhorn import Sinkhorn
from phaselearn.losses.sliced_wasserstein import SlicedWasserstein, lattice_directions
from phaselearn.losses.torus import TorusKernel, squared_distance
from tests.losses.samples import TRICLINIC, gaussian, pairwise_cost, random_maps, voxels

SHAPE = (6, 4, 8)
BATCH = {"lattice": TRICLINIC}


@pytest.fixture(scope="module")
def cost():
    return pairwise_cost(TRICLINIC, SHAPE)


@pytest.fixture(scope="module")
def masses():
    first, second = (random_maps(1, SHAPE, seed).square() ** 2 for seed in (0, 1))
    return first / first.sum(), second / second.sum()


def entropic(first, second, cost, epsilon):
    """Return min ⟨P, C⟩ + ε KL(P | a ⊗ b) of POT's plan."""
    a, b = (mass.flatten().numpy() for mass in (first, second))
    plan = ot.bregman.sinkhorn_log(a, b, cost, epsilon, numItermax=20000, stopThr=1e-7)
    product = np.outer(a, b)
    relative = np.where(plan > 0, plan * np.log(np.where(plan > 0, plan / product, 1.0)), 0.0)
    return (plan * cost).sum() + epsilon * relative.sum()


def unbalanced(first, second, cost, epsilon, rho):
    """Return the unbalanced objective of POT's plan."""
    a, b = (mass.flatten().numpy() for mass in (first, second))
    plan = ot.unbalanced.sinkhorn_unbalanced(a, b, cost, epsilon, rho, reg_type="kl", numItermax=20000, stopThr=1e-12)

    def divergence(x, y):
        return (x * np.log(np.where(x > 0, x / y, 1.0)) - x + y).sum()

    marginals = divergence(plan.sum(1), a) + divergence(plan.sum(0), b)
    return (plan * cost).sum() + epsilon * divergence(plan, np.outer(a, b)) + rho * marginals


@pytest.mark.parametrize(
    "cell",
    [TRICLINIC[0].tolist(), [[3.0, 0, 0], [0, 5.0, 0], [0, 0, 4.0]], [[3.0, 0, 0], [7.4, 2.0, 0], [1.0, 5.2, 3.1]]],
    ids=["triclinic", "orthogonal", "very skew"],
)
def test_distance_is_the_least_over_all_images(cell):
    lattice = torch.tensor([cell], dtype=torch.float64)
    images = torch.tensor(list(np.ndindex(13, 13, 13))) - 6
    expected = torch.stack([((voxels(SHAPE) + image) @ lattice[0]).square().sum(-1) for image in images]).amin(0)
    torch.testing.assert_close(squared_distance(lattice, SHAPE)[0], expected)


@pytest.mark.parametrize("epsilon", [3.0, 0.3, 0.02, 0.003])
def test_sums_over_the_torus_keep_their_digits_at_any_range(cost, epsilon):
    values = 4 / epsilon * random_maps(2, SHAPE)
    values[1, :3] = -torch.inf
    kernel = TorusKernel(squared_distance(TRICLINIC.expand(2, 3, 3), SHAPE), epsilon)
    exponent = values.flatten(1)[:, None, :] - torch.from_numpy(cost) / epsilon
    expected = torch.logsumexp(exponent, 2).view_as(values)
    torch.testing.assert_close(kernel.log_sum(values), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("epsilon", [1.0, pytest.param(0.2, marks=pytest.mark.slow)])
def test_sinkhorn_is_pots_at_the_same_epsilon(cost, masses, epsilon):
    first, second = masses
    across, own, theirs = (
        entropic(*pair, cost, epsilon) for pair in ((first, second), (first, first), (second, second))
    )
    given = Sinkhorn(epsilon=epsilon)(first, second, BATCH).item()
    assert given == pytest.approx(across - own / 2 - theirs / 2, rel=1e-2)


def test_sinkhorn_tends_to_the_linear_program(cost, masses):
    exact = ot.emd2(*(mass.flatten().numpy() for mass in masses), cost)
    assert Sinkhorn(epsilon=0.02)(*masses, BATCH).item() == pytest.approx(exact, rel=2e-2)


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_unbalanced_sinkhorn_is_pots(cost, masses, share):
    first, second = share * masses[0], masses[1]
    epsilon, reach = 0.3, 1.2
    across, own, theirs = (
        unbalanced(*pair, cost, epsilon, reach**2) for pair in ((first, second), (first, first), (second, second))
    )
    expected = across - own / 2 - theirs / 2 + epsilon / 2 * (first.sum() - second.sum()).item() ** 2
    given = Sinkhorn(epsilon=epsilon, reach=reach)(first, second, BATCH).item()
    assert given == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("displacement", [[0.4, 0.0, 0.0], [0.3, -0.5, 0.6], [1.0, 0.8, -0.7]])
def test_a_displaced_gaussian_costs_its_displacement_squared(displacement):
    # A wide cell: each Gaussian's tails must stay on its own side of the torus.
    lattice, size = 2.5 * TRICLINIC, 20
    moved = (torch.tensor(displacement, dtype=torch.float64) @ torch.linalg.inv(lattice[0])).tolist()
    maps = [gaussian(lattice, size, [0.4 + x for x in place], 0.8) for place in ([0.0, 0.0, 0.0], moved)]
    given = Sinkhorn()(*maps, {"lattice": lattice}).item()
    assert given == pytest.approx(sum(x**2 for x in displacement), rel=1e-2)


def test_negative_density_counts_voxel_by_voxel():
    target = gaussian(TRICLINIC, SHAPE, [0.2, 0.3, 0.5], 0.6)
    prediction = target.clone()
    prediction[0, 0, 0, 0] -= 0.25 + target[0, 0, 0, 0]
    with_cost, without = (Sinkhorn(negative_cost=price)(prediction, target, BATCH) for price in (2.0, 0.0))
    assert (with_cost - without).item() == pytest.approx(0.5)


def test_circular_distances_are_pots(masses):
    first, second = masses
    star = np.linalg.inv(TRICLINIC[0].numpy()).T
    count = math.lcm(*SHAPE)
    expected = []
    for plane in lattice_directions(2):
        place = (voxels(SHAPE).numpy() @ np.array(plane) * count).round().astype(int) % count
        circles = [np.bincount(place.ravel(), mass[0].numpy().ravel(), count) for mass in masses]
        bins = np.arange(count) / count
        turn = ot.wasserstein_circle(bins, bins, *circles, p=1)
        expected.append(np.asarray(turn).item() / np.linalg.norm(np.array(plane) @ star))
    given = SlicedWasserstein(2)(first, second, BATCH).item()
    assert given == pytest.approx(np.mean(expected), rel=1e-3)


def test_energy_distance_is_the_sum_over_the_reflections_of_the_box():
    box = np.stack(np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in SHAPE), indexing="ij"), -1).reshape(-1, 3)
    reflections = box[(2 * np.abs(box) < SHAPE).all(1)][1:]
    places = voxels(SHAPE).flatten(0, 2).numpy()
    waves = np.exp(-2j * np.pi * places @ reflections.T)
    target = random_maps(1, SHAPE)
    # Without Nyquist planes, whose two signs have different spacings in a skew cell.
    difference = (waves @ (waves.conj().T @ random_maps(1, SHAPE, 1).flatten().numpy())).real / len(places)
    s = np.linalg.norm(reflections @ np.linalg.inv(TRICLINIC[0].numpy()).T, axis=1)
    power = np.abs(waves.T @ difference / target.abs().sum().item()) ** 2
    expected = (power / (2 * np.pi**3 * s**4)).sum() / np.linalg.det(TRICLINIC[0].numpy())
    prediction = target + torch.from_numpy(difference).view_as(target)
    assert EnergyDistance()(prediction, target, BATCH).item() == pytest.approx(expected)


def test_energy_distance_of_gaussians_is_the_closed_form():
    edge, size, width, distance = 28.0, 32, 1.2, 1.5
    lattice = edge * torch.eye(3, dtype=torch.float64)[None]
    maps = [gaussian(lattice, size, [x, 0.5, 0.5], width) for x in (0.5, 0.5 + distance / edge)]
    spread = math.sqrt(2) * width
    apart = (distance + spread**2 / distance) * math.erf(distance / spread / math.sqrt(2))
    apart += spread * math.sqrt(2 / math.pi) * math.exp(-(distance**2) / (2 * spread**2))
    free = 2 * apart - 2 * spread * math.sqrt(8 / math.pi)
    # |r| on a torus lies below that in free space by α r²/(3L) with Wigner's constant α of the simple cubic lattice.
    expected = free - 2.837297 / (3 * edge) * 2 * distance**2
    assert EnergyDistance()(*maps, {"lattice": lattice}).item() == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize(
    "options", [{"epsilon": 0.0}, {"annealing": 2.0}, {"reach": -1.0}, {"epsilon": -1.0}, {"negative_cost": -1.0}]
)
def test_nonsense_is_refused(options):
    with pytest.raises(UserError, match=next(iter(options))):
        Sinkhorn(**options)


def test_an_epsilon_too_small_for_the_grid_is_refused():
    maps = gaussian(TRICLINIC, 12, [0.2, 0.3, 0.5], 0.6)
    with pytest.raises(UserError, match=r"loss\.epsilon=0\.04 is too small for 12 × 12 × 12 voxels.*0\.05 Å²"):
        Sinkhorn(epsilon=0.04)(maps, maps, BATCH)
    assert Sinkhorn(epsilon=0.05)(maps, maps, BATCH).item() == pytest.approx(0, abs=1e-9)
