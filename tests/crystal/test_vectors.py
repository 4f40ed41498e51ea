"""Table 1: pymatgen's images as oracle, and what the vectors must not depend on."""

from itertools import permutations, product

import numpy as np
import pytest
from pymatgen.core import Lattice
from scipy.ndimage import label

from phaselearn.crystal.density import gaussian_density
from phaselearn.crystal.vectors import REPORT_F2, brightest_maxima, compare_vectors, highest_peaks
from tests.conftest import random_crystals

LATTICE = Lattice.from_parameters(4.1, 5.2, 6.3, 80, 95, 107).matrix.copy()  # reduced: the shortest image is among 27
SIZE = 20


def points(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 3))


def test_vectors_are_the_shortest_images_of_pymatgen():
    atoms, shape = points(7), (10, 20, 24)
    table = compare_vectors(atoms, atoms, LATTICE, shape)
    lengths = np.linalg.norm(table.true / shape @ LATTICE, axis=1)
    distances = Lattice(LATTICE).get_all_distances(atoms, atoms)
    np.testing.assert_allclose(lengths, np.sort(distances[np.triu_indices(7, 1)]), atol=1e-9)
    np.testing.assert_allclose(table.predicted, table.true, atol=1e-9)
    assert table.mean_deviation == pytest.approx(0, abs=1e-9)
    assert table.within_a_voxel == 21


def test_matching_is_the_best_of_all():
    """Four atoms have six vectors: all 720 ways of matching, both signs and 125 images, by brute force."""
    atoms, maxima = points(4, 1), points(4, 2)

    def vectors(places):
        first, second = np.triu_indices(4, 1)
        return places[second] - places[first]

    images = np.array(list(product(range(-2, 3), repeat=3)))
    deviation = np.array(
        [
            [
                min(np.linalg.norm((sign * p - t + images) @ LATTICE, axis=1).min() for sign in (1, -1))
                for p in vectors(maxima)
            ]
            for t in vectors(atoms)
        ]
    )
    least = min(sum(deviation[row, column] for row, column in enumerate(order)) for order in permutations(range(6)))
    table = compare_vectors(atoms, maxima, LATTICE, SIZE)
    assert table.deviation.sum() == pytest.approx(least)
    difference = (table.predicted - table.true) / SIZE @ LATTICE
    np.testing.assert_allclose(np.linalg.norm(difference, axis=1), table.deviation)


@pytest.mark.parametrize("hand", [1, -1])
def test_origin_and_hand_and_order_do_not_matter(hand):
    atoms = points(5)
    moved = points(5) + np.random.default_rng(3).normal(0, 0.02, (5, 3))
    table = compare_vectors(atoms, moved, LATTICE, SIZE)
    other = compare_vectors(atoms, (hand * moved[::-1] + [0.31, 0.77, 0.5]) % 1, LATTICE, SIZE)
    np.testing.assert_allclose(other.deviation, table.deviation, atol=1e-9)
    assert 0.01 < table.mean_deviation < 0.5


def test_missing_maxima_are_missing_vectors():
    atoms = points(4)
    table = compare_vectors(atoms, atoms[:3], LATTICE, SIZE)
    assert table.matched == 3
    assert np.isnan(table.predicted).all(1).sum() == 3
    assert table.mean_deviation == pytest.approx(0, abs=1e-9)
    nothing = compare_vectors(atoms, atoms[:1], LATTICE, SIZE)
    assert nothing.matched == nothing.within_a_voxel == 0
    assert np.isnan(nothing.mean_deviation)
    assert compare_vectors(atoms[:1], atoms[:1], LATTICE, SIZE) is None
    assert compare_vectors(points(41), atoms, LATTICE, SIZE) is None


def test_the_reports_rows_are_within_a_voxel_but_for_the_one_that_it_leaves_out():
    """On a cubic cell, where vectors in voxels are lengths: its five rows, and the sixth that they imply."""
    true, predicted = (np.array([row[side] for row in REPORT_F2]) for side in (0, 1))
    atoms, maxima = (np.stack((0 * rows[0], *rows[:3])) / SIZE for rows in (true, predicted))
    implied = [(1, 2), (2, 3), (1, 3)]  # 23, 34 and 24
    for rows, places in ((true, atoms), (predicted, maxima)):
        between = [np.round((places[j] - places[i]) * SIZE).astype(int).tolist() for i, j in implied]
        assert between[1:] == [rows[4].tolist(), rows[3].tolist()]
    assert (atoms[2] - atoms[1]) * SIZE == pytest.approx([3, 3, -3])
    assert (maxima[2] - maxima[1]) * SIZE == pytest.approx([1, 1, -1])
    table = compare_vectors(atoms, maxima, np.eye(3) * SIZE, SIZE)
    assert table.within_a_voxel == 5
    assert table.mean_voxels == pytest.approx((4 * 3**0.5 + 2 * 3**0.5) / 6)


@pytest.mark.parametrize("seed", range(5))
def test_brightest_voxels_are_grouped_as_scipy_labels_them(seed):
    density = np.random.default_rng(seed).random((12, 12, 12))
    wanted = round(0.03 * 12**3)
    bright = density >= np.sort(density, axis=None)[-wanted]
    # Three cells a side: every group lies whole somewhere, and is counted once by its highest voxel in the middle.
    groups, _ = label(np.tile(bright, (3, 3, 3)), np.ones((3, 3, 3)))
    middle = groups[12:24, 12:24, 12:24]
    highest = []
    for voxel in np.argwhere(bright):
        members = np.unique(np.argwhere(groups == middle[tuple(voxel)]) % 12, axis=0)
        if density[tuple(voxel)] == density[tuple(members.T)].max():
            highest.append(voxel / 12)
    found = brightest_maxima(density, wanted, 0.03)
    assert sorted(map(tuple, found)) == sorted(map(tuple, highest))


def test_both_kinds_of_maxima_find_the_atoms_of_a_sharp_map():
    lattice, numbers, _ = random_crystals(1, 4, 0, edges=(5.0, 6.0))
    numbers[:] = 9
    atoms = np.array([[0.1, 0.1, 0.1], [0.6, 0.6, 0.1], [0.6, 0.1, 0.65], [0.1, 0.6, 0.6]])
    density = gaussian_density(lattice, numbers, lattice.new_tensor(atoms)[None], SIZE, 0.35)[0].numpy()
    cell = lattice[0].numpy()
    voxels = brightest_maxima(density, 4)
    peaks, heights = highest_peaks(density, cell, 4)
    assert compare_vectors(atoms, voxels, cell, SIZE).mean_deviation < 0.3
    assert compare_vectors(atoms, peaks, cell, SIZE).mean_deviation < 0.03
    assert heights.min() > 0.7 * density.max()
    # Through the faces of the cell, too.
    rolled = brightest_maxima(np.roll(density, (3, -3, 9), (0, 1, 2)), 4)
    assert compare_vectors(voxels, rolled, cell, SIZE).mean_deviation == pytest.approx(0, abs=1e-9)
