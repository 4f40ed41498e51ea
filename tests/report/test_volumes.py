"""Map files say what was written: values, cell, units, and atoms on the density's maxima."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import gemmi
import numpy as np
import pytest
from pymatgen.io.common import VolumetricData
from report_samples import density_of, lattice_of

from phaselearn.report.content import ShownCrystal
from phaselearn.report.volumes import write_ccp4, write_cube

BOHR = 0.529177210903  # Å


def test_ccp4_holds_the_values_and_the_cell(tmp_path: Path, triclinic: ShownCrystal) -> None:
    path = tmp_path / "map.ccp4"
    write_ccp4(path, triclinic.truth, triclinic.lattice)
    read = gemmi.read_ccp4_map(str(path))
    np.testing.assert_array_equal(read.grid.array, triclinic.truth)
    cell = read.grid.unit_cell
    np.testing.assert_allclose(cell.parameters, (4.6, 5.3, 7.1, 78, 104, 112), rtol=1e-6)
    assert read.grid.spacegroup.number == 1
    assert read.grid.axis_order == gemmi.AxisOrder.XYZ
    statistics = (read.header_float(20), read.header_float(21), read.header_float(22))
    np.testing.assert_allclose(
        statistics, (triclinic.truth.min(), triclinic.truth.max(), triclinic.truth.mean()), rtol=1e-4
    )


@pytest.mark.parametrize("sign", [1, -1], ids=["right-handed", "left-handed"])
def test_ccp4_keeps_the_hand_of_the_crystal(tmp_path: Path, sign: int) -> None:
    lattice = sign * lattice_of(6.1, 7.3, 8.2, 80, 100, 110)
    numbers = np.array([40, 30, 20, 10])
    positions = np.array([[0.2, 0.2, 0.2], [0.6, 0.25, 0.3], [0.3, 0.7, 0.25], [0.35, 0.3, 0.75]])
    path = tmp_path / "map.ccp4"
    write_ccp4(path, density_of(lattice, numbers, positions, 0.4), lattice)
    grid = gemmi.read_ccp4_map(str(path)).grid
    places = []
    for number in numbers:  # the atoms are told apart by their heights
        height = number / (2 * np.pi * 0.4**2) ** 1.5
        index = np.unravel_index(np.abs(grid.array - height).argmin(), grid.array.shape)
        places.append(grid.unit_cell.orthogonalize(gemmi.Fractional(*np.array(index) / 20)).tolist())
    got, true = np.array(places), positions @ lattice
    assert np.linalg.det(got[1:] - got[0]) == pytest.approx(np.linalg.det(true[1:] - true[0]), rel=0.05)


def test_cube_is_read_by_pymatgen_with_cell_and_atoms(tmp_path: Path, triclinic: ShownCrystal) -> None:
    path = tmp_path / "map.cube"
    write_cube(path, triclinic.truth, triclinic.lattice, triclinic.numbers, triclinic.positions)
    read = VolumetricData.from_cube(path)
    np.testing.assert_allclose(read.structure.lattice.matrix, triclinic.lattice, atol=1e-5)
    assert [site.specie.Z for site in read.structure] == triclinic.numbers.tolist()
    np.testing.assert_allclose(read.structure.frac_coords % 1, triclinic.positions, atol=1e-5)
    np.testing.assert_allclose(read.data["total"], triclinic.truth * BOHR**3, atol=1e-5 * triclinic.truth.max())


def test_cube_has_its_atoms_on_maxima_and_integrates_to_the_electrons(tmp_path: Path, rock_salt: ShownCrystal) -> None:
    path = tmp_path / "map.cube"
    write_cube(path, rock_salt.truth, rock_salt.lattice, rock_salt.numbers, rock_salt.positions)
    lines = path.read_text().splitlines()
    atoms = int(lines[2].split()[0])
    counts = [int(line.split()[0]) for line in lines[3:6]]
    steps = np.array([line.split()[1:] for line in lines[3:6]], dtype=float)
    listed = np.array([line.split() for line in lines[6 : 6 + atoms]], dtype=float)
    assert max(len(line.split()) for line in lines[6 + atoms :]) == 6
    values = np.array(" ".join(lines[6 + atoms :]).split(), dtype=float).reshape(counts)
    assert values.sum() * abs(np.linalg.det(steps)) == pytest.approx(rock_salt.numbers.sum(), rel=1e-3)
    for number, charge, *place in listed:
        assert number == charge
        voxel = (np.array(place) @ np.linalg.inv(steps)).round().astype(int)
        around = [values[tuple((voxel + shift - 1) % counts)] for shift in np.ndindex(3, 3, 3)]
        assert int(np.argmax(around)) == 13


def test_each_run_along_the_last_axis_begins_a_line(tmp_path: Path) -> None:
    path = tmp_path / "map.cube"
    density = np.arange(2 * 3 * 8, dtype=float).reshape(2, 3, 8)
    write_cube(path, density, np.eye(3), np.array([1]), np.zeros((1, 3)))
    values = path.read_text().splitlines()[7:]
    assert [len(line.split()) for line in values] == [6, 2] * 6


@pytest.mark.parametrize("write", [write_ccp4, write_cube])
def test_a_map_that_a_full_disk_stops_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, triclinic: ShownCrystal, write: Callable[..., None]
) -> None:
    def is_full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "map"
    path.write_bytes(b"earlier")
    monkeypatch.setattr(os, "fsync", is_full)
    atoms = (triclinic.numbers, triclinic.positions) if write is write_cube else ()
    with pytest.raises(OSError, match="No space left"):
        write(path, triclinic.truth, triclinic.lattice, *atoms)
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]
