"""Bases of a lattice, shapes of cells, and primitive cells."""

from __future__ import annotations

import numpy as np
import pytest
import spglib
from pymatgen.core import Structure

from phaselearn.solver.isotypes.primitive_cell import possible_cells
from phaselearn.solver.isotypes.reduced_bases import reduced_bases, shape
from tests.solver.isotypes.crystals import AXES


@pytest.mark.parametrize("seed", range(30))
def test_a_strained_lattice_in_any_axes_has_a_basis_of_the_shape_of_the_reduced_cell(seed: int) -> None:
    generator = np.random.default_rng(seed)
    lattice = np.diag(3 + 5 * generator.random(3)) + generator.standard_normal((3, 3))
    if seed % 3 == 0:  # a lattice of high symmetry, whose reduced cell is one of many
        lattice = 3.0 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]], float)
    reduced = spglib.niggli_reduce(lattice)
    strained = np.linalg.matrix_power(AXES, 2) @ lattice @ (np.eye(3) + 0.02 * generator.standard_normal((3, 3)))
    bases = reduced_bases(strained)
    assert np.allclose(np.abs(np.linalg.det(bases)), 1)
    assert np.abs(shape(bases @ strained) - shape(reduced)).max(1).min() < 0.1


def test_a_shape_is_that_of_the_edges_and_angles_whatever_the_volume_and_hand() -> None:
    cell = np.array([[2.0, 0, 0], [0, 4.0, 0], [1.0, 0, 2.0]])
    expected = [*np.log(np.array([2, 4, np.sqrt(5)]) / 16 ** (1 / 3)), 0, 1 / np.sqrt(5), 0]
    assert shape(cell) == pytest.approx(expected)
    assert shape(-3 * cell) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("group", "points"),
    [("P m -3 m", 1), ("I m -3 m", 2), ("F m -3 m", 4), ("C m m m", 2), ("A m m 2", 2), ("R -3 m", 3)],
)
def test_a_centred_cell_has_a_primitive_one(group: str, points: int) -> None:
    edges = {"m -3 m": (6, 6, 6, 90, 90, 90), "R -3 m": (5, 5, 12, 90, 90, 120)}
    cell = next((value for key, value in edges.items() if key in group), (5, 6, 7, 90, 90, 90))
    from pymatgen.core import Lattice

    lattice = Lattice.from_parameters(*cell)
    crystal = Structure.from_spacegroup(group, lattice, ["Fe", "O"], [[0, 0, 0], [0.11, 0.11, 0.23]])
    hkl = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3, indexing="ij"), -1).reshape(-1, 3)
    hkl = hkl[hkl @ np.array([100, 10, 1]) > 0]
    amplitude = np.abs(np.exp(2j * np.pi * hkl @ crystal.frac_coords.T) @ np.array(crystal.atomic_numbers))
    for listed in (slice(None), amplitude > 1e-6):  # forbidden reflections as zeros, or not in the list
        given, *primitive = possible_cells(hkl[listed], amplitude[listed])
        assert (given == np.eye(3)).all()
        assert len(primitive) == (points > 1)
        for found in primitive:
            assert abs(np.linalg.det(found)) == pytest.approx(1 / points)
            # Allowed reflections have whole indices in it.
            own = hkl[amplitude > 1e-6] @ found.T
            assert np.allclose(own, np.rint(own), atol=1e-9)


def test_noise_and_weak_superstructure_reflections_do_not_hide_a_centring_and_strong_ones_do() -> None:
    hkl = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    hkl = hkl[hkl @ np.array([100, 10, 1]) > 0]
    amplitude = np.random.default_rng(0).random(len(hkl)) + 0.5
    odd = hkl.sum(1) % 2 == 1
    assert [len(possible_cells(hkl, amplitude * np.where(odd, share, 1))) for share in (0.05, 0.3, 1)] == [2, 1, 1]
