"""Settings and standard settings, of every group that gemmi tabulates."""

from __future__ import annotations

import gemmi
import numpy as np

from phaselearn.structure.geometry import symmetrised
from phaselearn.structure.lattice_points import closed, nearest_lattice_vector, primitive_basis
from phaselearn.structure.settings import in_setting, standard_setting
from phaselearn.structure.space_group import SpaceGroup


def lattice_for(group: SpaceGroup, generator: np.random.Generator) -> np.ndarray:
    rough = np.diag((7.0, 8.0, 9.0)) + 0.3 * generator.random((3, 3))
    return symmetrised(rough, group.rotations[group.primitive])


def same_translations(first: np.ndarray, second: np.ndarray, centrings: np.ndarray) -> bool:
    _, distance = nearest_lattice_vector(first - second, centrings, np.eye(3))
    return bool((distance < 1e-5).all())


def test_every_setting_is_found_again_from_operations_about_any_origin() -> None:
    generator = np.random.default_rng(0)
    for entry in gemmi.spacegroup_table():
        given = SpaceGroup.named(entry.xhm())
        rotations, origin = given.rotations[given.primitive], generator.random(3)
        translations = given.translations[given.primitive] + rotations @ origin - origin
        found = in_setting(rotations, translations, given.centrings, lattice_for(given, generator))
        assert found is not None
        setting, shift = found
        assert setting.number == entry.number
        assert setting.is_tabulated
        moved = translations + rotations @ shift - shift
        place = {rotation.tobytes(): where for where, rotation in enumerate(setting.rotations)}
        wanted = setting.translations[[place[rotation.tobytes()] for rotation in rotations]]
        assert same_translations(moved, wanted, setting.centrings)
        # Where there is a choice, the origin is a centre of inversion.
        assert entry.ext != "2" or setting.has_inversion_at_origin


def test_the_standard_setting_has_the_transformed_operations() -> None:
    generator = np.random.default_rng(1)
    for entry in list(gemmi.spacegroup_table())[::2]:  # half of them, of all kinds
        group = SpaceGroup.named(entry.xhm())
        standard = standard_setting(group, lattice_for(group, generator))
        assert standard is not None
        assert standard.group.number == entry.number
        assert standard.group.is_tabulated
        assert ":1" not in standard.group.symbol
        assert ":R" not in standard.group.symbol
        inverse = np.linalg.inv(standard.matrix)
        rotations = np.rint(standard.matrix @ group.rotations @ inverse).astype(int)
        moved = group.translations @ standard.matrix.T + standard.shift - rotations @ standard.shift
        place = {rotation.tobytes(): where for where, rotation in enumerate(standard.group.rotations)}
        wanted = standard.group.translations[[place[rotation.tobytes()] for rotation in rotations]]
        assert same_translations(moved, wanted, standard.group.centrings)


def test_axes_that_nobody_tabulates_keep_their_operations() -> None:
    # C2/c in the axes of a primitive cell.
    group = SpaceGroup.named("C 1 2/c 1")
    basis = primitive_basis(group.centrings)
    inverse = np.linalg.inv(basis)
    own = group.primitive
    rotations = np.rint(inverse @ group.rotations[own] @ basis).astype(int)
    translations = group.translations[own] @ inverse.T
    lattice = basis.T @ np.array(gemmi.UnitCell(11, 6, 9, 90, 110, 90).orth.mat.tolist()).T
    found = in_setting(rotations, translations, np.zeros((1, 3)), lattice)
    assert found is not None
    setting, _ = found
    assert not setting.is_tabulated
    assert setting.number == 15
    assert setting.order == 4
    assert (setting.rotations == rotations).all()


def test_lattices_are_closed_and_have_primitive_cells_of_the_right_volume() -> None:
    for entry in gemmi.spacegroup_table():
        group = SpaceGroup.named(entry.xhm())
        assert len(closed(group.centrings)) == len(group.centrings)
        assert np.isclose(abs(np.linalg.det(primitive_basis(group.centrings))) * len(group.centrings), 1)
    assert len(closed(np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]))) == 4
