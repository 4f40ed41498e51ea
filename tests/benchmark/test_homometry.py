"""Different crystals with the same |F|."""

from dataclasses import replace

import numpy as np

from phaselearn.benchmark.homometry import homometric_pairs
from phaselearn.data.structures import Crystal

ATOMS = [((0, 1, 3, 4), "a"), ((0, 1, 2, 5), "b")]


def cyclotomic(positions, identifier, edges=(9.0, 4.0, 5.0)):
    """Patterson's (1944) one-dimensional homometric sets, in eighths of the first cell edge."""
    lattice = np.diag(edges)
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


def test_the_end_of_a_long_axis_tells_two_crystals_apart():
    """Sets that are homometric but for a shift along 45 Å, which a box of ten indices an axis does not see."""
    edges = (45.0, 4.0, 5.0)
    first, second = cyclotomic((0, 1, 3, 4), "a", edges), cyclotomic((0, 1, 2, 5), "b", edges)
    (pair,) = homometric_pairs([first, second], epsilon=0.01)
    assert pair.r_factor < 1e-3
    shifted = second.positions.copy()
    shifted[0, 0] += 0.012  # half an Ångström
    assert not homometric_pairs([first, replace(second, positions=shifted)], epsilon=0.1)


def test_settings_of_oblique_axes_are_found():
    """A hexagonal cell turned by 60°, which is no permutation of its axes."""
    lattice = np.array([[6.0, 0, 0], [3.0, 3 * np.sqrt(3), 0], [0, 0, 7.0]])
    first, second = (replace(cyclotomic(places, name), lattice=lattice) for places, name in ATOMS)
    (pair,) = homometric_pairs([first, second], epsilon=0.01)
    # a' = b, b' = b − a: the lattice stays, and positions change with the inverse.
    change = np.array([[0, 1, 0], [-1, 1, 0], [0, 0, 1]])
    turned = replace(second, positions=second.positions @ np.linalg.inv(change))
    (found,) = homometric_pairs([first, turned], epsilon=0.01)
    assert found.r_factor < 1e-3
    assert abs(found.r_factor - pair.r_factor) < 1e-3
