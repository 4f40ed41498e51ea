"""A solution beside the published structure: origin and hand are free, nothing else is."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest

from phaselearn.determination.reference import read_atoms, superposed
from phaselearn.errors import UserError
from tests.determination.samples import EXAMPLE

LATTICE = np.array([[7.0, 0, 0], [1.0, 8.0, 0], [0.5, -1.0, 9.0]])
CELL_NAMES = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
CELL = (9.748, 8.89, 7.566, 90.0, 112.74, 90.0)


@pytest.fixture
def atoms() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.integers(6, 9, 12), random.random((12, 3))


@pytest.mark.parametrize("hand", [1, -1])
def test_a_shifted_copy_of_either_hand_is_the_same(atoms: tuple[np.ndarray, np.ndarray], hand: int) -> None:
    order = np.random.default_rng(1).permutation(12)
    copy = atoms[0][order], (hand * atoms[1][order] + [0.3, 0.6, 0.95]) % 1
    nearest, distance, real = superposed(atoms, copy, LATTICE)
    assert distance.max() < 1e-6
    assert (copy[0][nearest] == atoms[0]).all()
    assert real == 1


def test_wrong_missing_and_invented_atoms_count(atoms: tuple[np.ndarray, np.ndarray]) -> None:
    places = atoms[1].copy()
    places[:3] = (places[:3] + 0.5) % 1
    _, distance, real = superposed(atoms, (atoms[0], places), LATTICE)
    assert (distance < 0.5).mean() == pytest.approx(9 / 12)
    assert real == pytest.approx(9 / 12)
    _, distance, real = superposed(atoms, (atoms[0][3:], atoms[1][3:]), LATTICE)
    assert (distance < 0.5).mean() == pytest.approx(9 / 12)
    assert real == 1


def test_no_atoms_find_nothing(atoms: tuple[np.ndarray, np.ndarray]) -> None:
    nothing = np.zeros(0, dtype=np.int64), np.zeros((0, 3))
    _, distance, real = superposed(atoms, nothing, LATTICE)
    assert np.isinf(distance).all()
    assert real == 0


def test_a_cif_gives_all_atoms_of_the_cell_without_hydrogen() -> None:
    numbers, positions = read_atoms(EXAMPLE.with_suffix(".cif"), CELL)
    assert sorted(set(numbers.tolist())) == [6, 8]
    assert len(positions) == 32  # C14H14O2, Z = 2


def test_another_cell_and_a_file_without_atoms_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has the cell"):
        read_atoms(EXAMPLE.with_suffix(".cif"), (8.0, *CELL[1:]))
    empty = tmp_path / "empty.cif"
    empty.write_text("data_nothing\n")
    with pytest.raises(UserError, match=r"no atoms|cannot be read"):
        read_atoms(empty, CELL)


@pytest.mark.parametrize("group", ["P 1", "P 1 21/c 1", "I 41/a m d:2", "R -3 c:H"])
def test_a_res_has_the_atoms_of_the_cif(tmp_path: Path, group: str) -> None:
    """Both as gemmi's operations repeat them; the heavy atom is on a special position of most groups."""
    operations = gemmi.SpaceGroup(group).operations()
    cell = (6.0, 6.0, 9.0, 90.0, 90.0, 120.0 if group[0] == "R" else 90.0)
    listed = "\n".join(f"'{one.triplet()}'" for one in operations)
    written = " ".join(f"{value}" for value in cell)
    lengths = "\n".join(f"_cell_{name} {value}" for name, value in zip(CELL_NAMES, cell, strict=True))
    (tmp_path / "a.cif").write_text(
        f"data_a\n{lengths}\nloop_\n_space_group_symop_operation_xyz\n{listed}\nloop_\n_atom_site_label\n"
        "_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\nFe1 0 0 0\nC1 0.11 0.41 0.37\nH1 0.2 0.3 0.4\n"
    )
    fixing = sum(not any((np.array(one.apply_to_xyz([0, 0, 0])) % 1).round(9)) for one in operations)
    symmetry = "\n".join(f"SYMM {one.triplet()}" for one in operations if one.triplet() != "x,y,z")
    (tmp_path / "a.res").write_text(
        f"CELL 0.7 {written}\nLATT -1\n{symmetry}\nSFAC Fe C H\nFe1 1 10 10 10 {10 + 1 / fixing:.5f}\n"
        "C1 2 0.11 0.41 0.37\nH1 3 0.2 0.3 0.4\nEND\n"
    )
    (cif_numbers, cif), (res_numbers, res) = (read_atoms(tmp_path / name, cell) for name in ("a.cif", "a.res"))
    assert sorted(res_numbers) == sorted(cif_numbers)
    apart = res[:, None] - cif[None]
    assert (np.linalg.norm(apart - np.round(apart), axis=-1).min(1) < 1e-6).all()
