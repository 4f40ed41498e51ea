"""Symmetry of lattices, against gemmi, spglib and counting."""

from __future__ import annotations

from collections import Counter

import gemmi
import numpy as np
import pytest
import spglib

from phaselearn.measured.cells import Cell, lattice_of, metric
from phaselearn.measured.lattice_symmetry import lattice_rotations, reduced_axes, subgroups
from phaselearn.measured.laue_classes import laue_candidates, laue_class_of
from tests.measured.samples import operations_of

CELLS: dict[str, Cell] = {
    "triclinic": (5.1, 6.2, 7.3, 81, 95, 103),
    "monoclinic": (5, 6, 7, 90, 105, 90),
    "orthorhombic": (5, 6, 7, 90, 90, 90),
    "tetragonal": (5, 5, 7, 90, 90, 90),
    "rhombohedral": (6, 6, 6, 75, 75, 75),
    "hexagonal": (5, 5, 7, 90, 90, 120),
    "cubic": (5.64, 5.64, 5.64, 90, 90, 90),
    "face-centred cubic, primitive": (4, 4, 4, 60, 60, 60),
}
ORDERS = dict(zip(CELLS, (1, 2, 4, 8, 6, 12, 24, 24), strict=True))


def cell_of(tensor: np.ndarray) -> Cell:
    edges = np.sqrt(np.diag(tensor))
    angles = [np.rad2deg(np.arccos(tensor[i, j] / edges[i] / edges[j])) for i, j in ((1, 2), (0, 2), (0, 1))]
    return (*edges.tolist(), *angles)  # type: ignore[return-value]


@pytest.mark.parametrize("kind", CELLS)
def test_rotations_are_those_of_spglib_in_any_axes(kind: str) -> None:
    generator = np.random.default_rng(0)
    for turn in range(6):
        axes = np.eye(3, dtype=int)
        for _ in range(4 if turn else 0):  # sheared and permuted axes of the same lattice
            i, j = generator.choice(3, 2, replace=False)
            axes[i] += int(generator.integers(-1, 2)) * axes[j]
            axes = axes[generator.permutation(3)]
        cell = cell_of(axes @ metric(CELLS[kind]) @ axes.T)
        found = lattice_rotations(cell)
        assert len(found) == ORDERS[kind]
        expected = spglib.get_symmetry((lattice_of(cell), [[0, 0, 0]], [1]), symprec=1e-3)["rotations"]
        proper = {rotation.tobytes() for rotation in expected.astype(np.int64) if np.linalg.det(rotation) > 0}
        assert {rotation.tobytes() for rotation in found} == proper


def test_a_cell_that_is_nearly_cubic_is_so_within_the_tolerance_alone() -> None:
    assert len(lattice_rotations((5.64, 5.65, 5.66, 90.1, 89.9, 90))) == 24
    assert len(lattice_rotations((5.64, 5.64, 5.75, 90, 90, 90))) == 8
    # Each rotation alone would pass, but the products of all of them would not be a group.
    for edge in np.linspace(5.0, 5.2, 30):
        rotations = lattice_rotations((5.0, 5.06, float(edge), 90.4, 89.7, 90.3))
        assert 24 % len(rotations) == 0
        members = {one.tobytes() for one in rotations}
        assert all((a @ b).tobytes() in members for a in rotations for b in rotations)


def test_reduced_axes_span_the_same_lattice_and_are_the_shortest() -> None:
    generator = np.random.default_rng(1)
    box = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3), -1).reshape(-1, 3)
    for _ in range(30):
        basis = generator.normal(size=(3, 3)) * 4
        tensor = basis @ basis.T
        axes = reduced_axes(tensor)
        assert abs(round(np.linalg.det(axes))) == 1
        reduced = axes @ tensor @ axes.T
        lengths = np.einsum("ij,jk,ik->i", box, reduced, box)
        assert reduced[0, 0] == pytest.approx(lengths[lengths > 1e-9].min())
        assert (np.sort(np.diag(reduced)) == np.diag(reduced)).all()


def test_a_cube_has_thirty_groups_of_rotations() -> None:
    found = Counter(one.symbol for one in laue_candidates(CELLS["cubic"]))
    # Subgroups of the octahedral group: a known list.
    assert found == {
        **{"-1": 1, "2/m": 9, "mmm": 4, "4/m": 3, "-3": 4, "-3m": 4, "4/mmm": 3, "m-3": 1, "m-3m": 1},
    }
    assert Counter(one.symbol for one in laue_candidates(CELLS["hexagonal"])) == {
        **{"-1": 1, "2/m": 7, "mmm": 3, "-3": 1, "-3m": 2, "6/m": 1, "6/mmm": 1},
    }


def test_the_laue_class_of_every_space_group_has_gemmis_symbol() -> None:
    for group in gemmi.spacegroup_table():
        rotations, _ = operations_of(group.xhm())
        assert laue_class_of(rotations).symbol == group.laue_str()


def test_axes_are_named() -> None:
    names = [one.name for one in laue_candidates(CELLS["monoclinic"])]
    assert names == ["-1", "2/m along b"]
    assert "-3m along c, [1 -1 0]" in [one.name for one in laue_candidates(CELLS["hexagonal"])]


def test_subgroups_are_groups() -> None:
    group = lattice_rotations(CELLS["hexagonal"])
    for some in subgroups(group):
        members = {one.tobytes() for one in some}
        assert all((a @ b).tobytes() in members for a in some for b in some)
        assert (some[0] == np.eye(3)).all()


@pytest.mark.parametrize("kind", CELLS)
def test_cell_vectors_are_gemmis(kind: str) -> None:
    expected = np.array(gemmi.UnitCell(*CELLS[kind]).orth.mat.tolist()).T
    np.testing.assert_allclose(lattice_of(CELLS[kind]), expected, atol=1e-9)
