"""Distances in a crystal, against brute force."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest

from phaselearn.structure.geometry import distances, shortest

CELLS = ((5.0, 6.0, 7.0, 90.0, 90.0, 90.0), (4.0, 9.0, 41.0, 90.0, 96.0, 90.0), (6.1, 7.2, 8.3, 81.0, 97.0, 104.0))


@pytest.mark.parametrize("cell", CELLS)
def test_shortest_images_are_those_of_a_search_through_all_cells_around(cell: tuple[float, ...]) -> None:
    lattice = np.array(gemmi.UnitCell(*cell).orth.mat.tolist()).T
    differences = np.random.default_rng(0).uniform(-3, 3, size=(10, 20, 3))
    around = np.stack(np.meshgrid(*[np.arange(-5, 6)] * 3), -1).reshape(-1, 3)
    expected = [np.linalg.norm((row + around) @ lattice, axis=1).min() for row in differences.reshape(-1, 3)]
    np.testing.assert_allclose(distances(differences, lattice).ravel(), expected, atol=1e-6)
    images = shortest(differences, lattice)
    np.testing.assert_allclose(np.linalg.norm(images @ lattice, axis=-1).ravel(), expected, atol=1e-6)
    np.testing.assert_allclose((images - differences) % 1 % (1 - 1e-12), 0, atol=1e-9)


def test_many_vectors_are_taken_in_parts_without_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(1).random((50, 3))
    whole = distances(differences, np.diag([5.0, 6.0, 7.0]))
    monkeypatch.setattr("phaselearn.structure.geometry._AT_ONCE", 7)
    np.testing.assert_array_equal(distances(differences, np.diag([5.0, 6.0, 7.0])), whole)
