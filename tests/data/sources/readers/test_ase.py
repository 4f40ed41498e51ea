"""Extended XYZ, trajectories and databases, written by ASE itself."""

from __future__ import annotations

import gzip
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from phaselearn.errors import UserError
from tests.data.sources.readers.structures import CORUNDUM, QUARTZ, SALT, assert_same, read, reasons

pytest.importorskip("ase", reason="ASE is not installed")
import ase.io
from ase.build import bulk, fcc111, molecule
from ase.db import connect
from ase.spacegroup import crystal as ase_crystal

STRUCTURES = (SALT, QUARTZ, CORUNDUM)
FILES = ("a.extxyz", "a.xyz", "a.traj", "a.db", "a.json")


def write(path: Path, frames: list[ase.Atoms]) -> Path:
    if path.suffix in (".db", ".json"):
        with connect(path) as database:
            for atoms in frames:
                database.write(atoms, data={key: atoms.info[key] for key in atoms.info if key == "occupancy"})
    else:
        ase.io.write(path, frames, format="extxyz" if path.suffix == ".xyz" else None)
    return path


@pytest.mark.parametrize("name", FILES)
def test_every_frame_is_an_entry(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, [structure.to_ase_atoms() for structure in STRUCTURES])
    entries = read(path)
    first = 1 if path.suffix in (".db", ".json") else 0  # ASE counts rows from 1
    assert [entry.id for entry in entries] == [f"{name}#{number}" for number in range(first, first + 3)]
    for entry, structure in zip(entries, STRUCTURES, strict=True):
        assert_same(entry, structure)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_ordered_crystal_is_told(tmp_path: Path, name: str) -> None:
    alloy = ase_crystal(["Cu"], [(0, 0, 0)], spacegroup=221, cellpar=[3, 3, 3, 90, 90, 90], occupancies=[0.5])
    assert alloy.info["occupancy"]
    ghost = ase.Atoms("XCl", [[0, 0, 0], [2, 2, 2]], cell=[4, 4, 4], pbc=True)
    frames = [molecule("H2O"), fcc111("Cu", (1, 1, 3), vacuum=8.0), alloy, bulk("Cu"), ghost]
    del frames[1].info["adsorbate_info"]
    water, slab, partial, copper, unknown = reasons(write(tmp_path / name, frames)).values()
    assert (water, slab) == ("not periodic in three directions",) * 2
    assert (partial, copper, unknown) == ("partial occupancy", "Cu", "unknown element")


def test_an_occupancy_that_is_no_number_is_not_a_whole_atom(tmp_path: Path) -> None:
    copper = bulk("Cu")
    copper.info["occupancy"] = {"0": {"Cu": float("nan")}}
    assert list(reasons(write(tmp_path / "a.extxyz", [copper])).values()) == ["partial occupancy"]


def test_rows_keep_their_numbers_when_others_are_deleted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.db", [structure.to_ase_atoms() for structure in STRUCTURES])
    with connect(path) as database:
        database.delete([2])
    assert list(reasons(path)) == ["a.db#1", "a.db#3"]


def test_a_bad_frame_does_not_stop_the_next(tmp_path: Path) -> None:
    path = write(tmp_path / "a.extxyz", [structure.to_ase_atoms() for structure in STRUCTURES])
    lines = path.read_text().splitlines()
    lines[12] = "Si what 0.0 0.0"
    path.write_text("\n".join(lines) + "\n")
    first, second, third = reasons(path).values()
    assert (first, third) == ("NaCl", "Al2O3")
    assert second.startswith("unreadable")
    # Where a frame ends is not known any more.
    path.write_text("\n".join([*lines[:10], "nothing", *lines[10:]]) + "\n")
    assert reasons(path) == {"a.extxyz#0": "NaCl", "a.extxyz#rest": "not an XYZ file"}


def test_a_packed_trajectory(tmp_path: Path) -> None:
    content = write(tmp_path / "a.extxyz", [SALT.to_ase_atoms(), QUARTZ.to_ase_atoms()]).read_bytes()
    (tmp_path / "a.extxyz").unlink()
    (tmp_path / "b.extxyz.gz").write_bytes(gzip.compress(content))
    assert reasons(tmp_path) == {"b.extxyz.gz#0": "NaCl", "b.extxyz.gz#1": "SiO2"}


def test_databases_are_left_as_they_are(tmp_path: Path) -> None:
    """Also those of other programs, into which ASE would write its tables."""
    write(tmp_path / "a.db", [SALT.to_ase_atoms()])
    with closing(sqlite3.connect(tmp_path / "b.db")) as database:
        database.execute("create table other (x int)")
        database.commit()
    (tmp_path / "c.db").write_bytes(np.random.default_rng(0).bytes(4096))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    foreign = "not a database of ASE"
    assert reasons(tmp_path) == {"a.db": "NaCl", "b.db": foreign, "c.db": foreign}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_without_ase_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.extxyz", [SALT.to_ase_atoms()])
    SALT.to(str(tmp_path / "b.cif"))
    monkeypatch.setitem(sys.modules, "ase", None)
    with pytest.raises(UserError, match=r"pip install 'phaselearn\[ase\]'") as error:
        read(tmp_path)
    assert "\n" not in str(error.value)
    assert reasons(tmp_path / "b.cif") == {"b.cif": "NaCl"}


FRAME = '2\nLattice="{lattice}" Properties=species:S:1:pos:R:3\nNa 0 0 0\nCl {x} 2.0 2.0\n'
SOUND = FRAME.format(lattice="4 0 0 0 4 0 0 0 4", x=2.0)
BAD_FRAMES = {
    "not periodic in three directions": "2\nno cell\nNa 0 0 0\nCl 2.0 2.0 2.0\n",
    "not finite (lattice)": FRAME.format(lattice="nan 0 0 0 4 0 0 0 4", x=2.0),
    "not finite (positions)": FRAME.format(lattice="4 0 0 0 4 0 0 0 4", x="nan"),
    "cell edge outside 0.1 to 1000 Å (1e+308 Å)": FRAME.format(lattice="1e308 0 0 0 4 0 0 0 4", x=2.0),
    "degenerate cell": FRAME.format(lattice="4 0 0 4 0 0 0 0 4", x=2.0),
    "position more than 10,000 cells from the origin (2.5e+19)": FRAME.format(lattice="4 0 0 0 4 0 0 0 4", x="1e20"),
    "more than 1,000 columns of one property (999,999,999)": SOUND.replace("S:1", "S:999999999"),
    "more than 5,000 atoms (6,000)": '6000\nLattice="4 0 0 0 4 0 0 0 4"\n' + "Na 0 0 0\n" * 6000,
}


@pytest.mark.parametrize("told", BAD_FRAMES)
def test_a_frame_of_impossible_numbers_is_told_and_the_next_is_read(tmp_path: Path, told: str) -> None:
    path = tmp_path / "a.extxyz"
    path.write_text(BAD_FRAMES[told] + SOUND)
    first, second = reasons(path).values()
    assert first.startswith(told)
    assert second == "NaCl"


@pytest.mark.parametrize("count", ["-5", "1e9", "1_0", "٣", "9" * 5000, "999999999999"])
def test_a_number_of_atoms_that_is_none_takes_no_memory(tmp_path: Path, count: str) -> None:
    path = tmp_path / "a.xyz"
    path.write_text(SOUND + f"{count}\n" + "Na 0 0 0\n" * 10, encoding="utf-8")
    first, *rest = reasons(path).values()
    assert first == "NaCl"
    assert len(rest) == 1


@pytest.mark.parametrize("name", ["occupancy", "occupancies", "occ"])
@pytest.mark.parametrize(("share", "expected"), [(0.5, "partial occupancy"), (1.0, "Cu")])
def test_occupancies_of_each_atom(tmp_path: Path, name: str, share: float, expected: str) -> None:
    copper = bulk("Cu")
    copper.set_array(name, np.array([share]))
    assert list(reasons(write(tmp_path / "a.extxyz", [copper])).values()) == [expected]
