"""Different crystals with the same |F|."""

from dataclasses import replace

import numpy as np

from phaselearn.benchmark.homometry import homometric_pairs, signed_permutations
from phaselearn.data.structures import Crystal


def test_settings_are_all_signed_permutations():
    matrices = signed_permutations()
    assert len({matrix.tobytes() for matrix in matrices}) == 48
    assert all(abs(round(np.linalg.det(matrix))) == 1 for matrix in matrices)


def cyclotomic(positions, identifier, height=10.0):
    """Patterson's (1944) one-dimensional homometric sets, in eighths of a cell edge."""
    lattice = np.diag([9.0, 4.0, 5.0])
    place = np.array([[position / 8, 0.1, 0.2] for position in positions])
    return Crystal(identifier, lattice, np.full(len(place), 6), place, "p", 1)


def test_homometric_pairs_are_found_and_enantiomers_are_not():
    first, second = cyclotomic((0, 1, 3, 4), "a"), cyclotomic((0, 1, 2, 5), "b")
    mirrored = replace(first, id="c", positions=(0.2 - first.positions) % 1.0)
    pairs = homometric_pairs([first, second, mirrored], epsilon=0.01)
    assert {(pair.first, pair.second) for pair in pairs} == {("a", "b"), ("b", "c")}
    assert all(pair.correlation < 0.9 for pair in pairs)


def test_homometric_pairs_are_found_in_another_setting():
    first, second = cyclotomic((0, 1, 3, 4), "a"), cyclotomic((0, 1, 2, 5), "b")
    order = [2, 0, 1]
    turned = replace(second, lattice=second.lattice[np.ix_(order, order)], positions=second.positions[:, order])
    (pair,) = homometric_pairs([first, turned], epsilon=0.01)
    assert pair.r_factor < 0.01
