"""The folder source: what pymatgen reads, what is left out, and in which order."""

from __future__ import annotations

import gzip
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from phaselearn.data.build.store_build import build_store
from phaselearn.data.sources.folder import Folder
from phaselearn.data.structures import Crystal, LeftOut
from phaselearn.errors import UserError
from tests.conftest import OCTANT
from tests.data.sources.readers.structures import ALLOY, QUARTZ, SALT


def source(path: Path, pattern: str = "**/*", count: int | None = None, cell: str = "primitive") -> Folder:
    return Folder(str(path), pattern, count, cell, "CC0", "nobody")


def text(structure: Structure, name: str = "one") -> str:
    lines = str(CifWriter(structure)).splitlines()
    return "\n".join(f"data_{name}" if line.startswith("data_") else line for line in lines) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Structures in several formats, some of them unusable."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "b.cif").write_text(text(SALT))
    (tmp_path / "a.cif").write_text(text(ALLOY))
    (tmp_path / "garbage.cif").write_text("data_x\n_cell_length_a what\nloop_\n_atom_site_fract_x\n?\n")
    (tmp_path / "notes.txt").write_text("no structure")
    (tmp_path / ".hidden.cif").write_text(text(SALT))
    QUARTZ.to(str(tmp_path / "deep" / "POSCAR"), fmt="poscar")
    QUARTZ.to(str(tmp_path / "deep" / "quartz.json"), fmt="json")
    SALT.to(str(tmp_path / "deep" / "salt.xsf"), fmt="xsf")
    with gzip.open(tmp_path / "deep" / "zipped.cif.gz", "wt") as file:
        file.write(text(SALT))
    return tmp_path


def test_every_file_is_an_entry(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        entries = {entry.id: entry for entry in source(folder)}
    assert list(entries) == sorted(entries, key=lambda name: Path(name))
    told = {
        name: entry.reason if isinstance(entry, LeftOut) else (entry.formula, entry.space_group)
        for name, entry in entries.items()
    }
    assert told == {
        "a.cif": "partial occupancy",
        "b.cif": ("NaCl", 225),
        "garbage.cif": "no cell",
        "notes.txt": "no structure file by its name",
        "deep/POSCAR": ("SiO2", 152),
        "deep/quartz.json": ("SiO2", 152),
        "deep/salt.xsf": ("NaCl", 225),
        "deep/zipped.cif.gz": ("NaCl", 225),
    }
    assert entries["b.cif"].prototype == "AB_225_a_b"


@pytest.mark.parametrize(("cell", "atoms"), [("primitive", 2), ("conventional", 8), ("as_given", 8)])
def test_the_cell_that_was_asked_for(folder: Path, cell: str, atoms: int) -> None:
    [crystal] = source(folder, "b.cif", cell=cell)
    assert len(crystal.numbers) == atoms
    assert np.linalg.det(crystal.lattice) / atoms == pytest.approx(SALT.volume / 8)
    assert ((crystal.positions >= 0) & (crystal.positions < 1)).all()
    assert Structure(Lattice(crystal.lattice), crystal.numbers, crystal.positions).matches(SALT)


def test_the_primitive_cell_is_reduced_and_the_same_crystal(folder: Path) -> None:
    skewed = QUARTZ.copy()
    skewed.make_supercell([[2, 1, 0], [0, 1, 0], [0, 3, 1]])
    skewed.to(str(folder / "skewed.cif"), symprec=None)
    [crystal] = source(folder, "skewed.cif")
    assert np.allclose(sorted(np.linalg.norm(crystal.lattice, axis=1)), [4.91, 4.91, 5.40], atol=1e-3)
    assert crystal.space_group in (152, 154)
    assert np.linalg.det(crystal.lattice) > 0
    assert Structure(Lattice(crystal.lattice), crystal.numbers, crystal.positions).matches(QUARTZ)


def test_each_block_of_a_cif_is_an_entry(tmp_path: Path) -> None:
    heading = "data_global\n_publ_section_title 'Two structures'\n\n"
    broken = "data_broken\n_cell_length_a 3\nloop_\n_atom_site_label\n_atom_site_fract_x\nNa 0 0\n\n"
    (tmp_path / "two.cif").write_text(heading + text(SALT, "s") + broken + text(ALLOY, "a") + text(QUARTZ, "q"))
    entries = list(source(tmp_path))
    assert [entry.id for entry in entries] == ["two.cif#0", "two.cif#1", "two.cif#2", "two.cif#3"]
    assert [getattr(entry, "formula", None) or entry.cause for entry in entries] == [
        "NaCl",
        "not valid CIF",
        "partial occupancy",
        "SiO2",
    ]


def test_a_heading_alone_has_no_structure(tmp_path: Path) -> None:
    (tmp_path / "a.cif").write_text("data_global\n_publ_section_title 'None'\n")
    assert list(source(tmp_path)) == [LeftOut("a.cif", "no structure in the file")]


def test_nothing_is_rounded_to_order(tmp_path: Path) -> None:
    whole = text(SALT)
    for occupancy, reason in (
        ("0.98", "partial occupancy"),
        ("0.9999", "partial occupancy"),
        ("1.2", "occupancies above 1"),
    ):
        changed = re.sub(r"(?m)^(\s*Na\s.*\s)1(\.0)?\s*$", rf"\g<1>{occupancy}", whole)
        assert changed != whole
        (tmp_path / "a.cif").write_text(changed)
        assert list(source(tmp_path)) == [LeftOut("a.cif", reason)]


def test_atoms_on_top_of_each_other_are_left_out(tmp_path: Path) -> None:
    Structure(Lattice.cubic(4.0), ["Na", "Na"], [[0, 0, 0], [0, 0, 0]]).to(str(tmp_path / "a.json"), fmt="json")
    assert list(source(tmp_path)) == [LeftOut("a.json", "atoms closer than 0.5 Å")]


def test_wrong_settings(folder: Path) -> None:
    (folder / "empty").mkdir()
    for wrong, told in (
        (lambda: source(folder / "none"), "is not there"),
        (lambda: source(folder / "empty"), "no file that fits"),
        (lambda: source(folder, "*.pdb"), "no file that fits"),
        (lambda: source(folder, "/etc/*"), "not a pattern"),
        (lambda: source(folder, ""), "not a pattern"),
        (lambda: source(folder, count=-1), "at least 1"),
        (lambda: source(folder, cell="reduced"), "allowed are primitive"),
    ):
        with pytest.raises(UserError, match=told) as error:
            wrong()
        assert "\n" not in str(error.value)


def test_a_folder_without_a_readable_file(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "notes.txt").write_text("no structure")
    with pytest.raises(UserError, match="no usable structure"):
        build_store(source(tmp_path / "files"), OCTANT, tmp_path / "store", 30.0, {})


def test_count_and_fingerprint(folder: Path) -> None:
    # What a JSON file holds is not known before it is read.
    assert len(source(folder, "**/*.cif")) == 3
    assert len(source(folder)) == 0
    assert [entry.id for entry in source(folder, count=2)] == ["a.cif", "b.cif"]
    first = source(folder).fingerprint()
    assert source(folder).fingerprint() == first
    assert len({first, source(folder, count=2).fingerprint(), source(folder, cell="as_given").fingerprint()}) == 3
    (folder / "b.cif").write_text(text(QUARTZ))
    assert source(folder).fingerprint() != first


def test_the_folders_of_the_open_database(tmp_path: Path) -> None:
    """Its tree is cif/1/00/00/1000000.cif, and a copy of it has folders of the program that copies."""
    for number in ("1000000", "1000001", "7100017"):
        place = tmp_path / "cif" / number[0] / number[1:3] / number[3:5]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.cif").write_text(text(SALT, number))
    (tmp_path / "cif" / ".svn").mkdir()
    (tmp_path / "cif" / ".svn" / "old.cif").write_text(text(SALT))
    assert [entry.id for entry in source(tmp_path / "cif")] == [
        "1/00/00/1000000.cif",
        "1/00/00/1000001.cif",
        "7/10/00/7100017.cif",
    ]
    assert [entry.id for entry in source(tmp_path / "cif", "7/**/*.cif")] == ["7/10/00/7100017.cif"]


def test_the_count_is_of_entries(tmp_path: Path) -> None:
    (tmp_path / "a.cif").write_text(text(SALT, "s") + text(QUARTZ, "q"))
    (tmp_path / "b.cif").write_text(text(SALT))
    assert [[entry.id for entry in source(tmp_path, count=count)] for count in (1, 2, 3, 4)] == [
        ["a.cif#0"],
        ["a.cif#0", "a.cif#1"],
        ["a.cif#0", "a.cif#1", "b.cif"],
        ["a.cif#0", "a.cif#1", "b.cif"],
    ]


def test_one_file(folder: Path) -> None:
    [crystal] = source(folder / "b.cif")
    assert isinstance(crystal, Crystal)
    assert crystal.id == "b.cif"


def test_stores_runs_and_logs_of_the_package_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.cif").write_text(text(SALT, "s"))
    before = source(tmp_path).fingerprint()
    (tmp_path / "outputs" / "solved").mkdir(parents=True)
    (tmp_path / "outputs" / "prepare.log").write_text("a log")
    (tmp_path / "outputs" / "solved" / "config.yaml").write_text("solver:\n  _target_: phaselearn.solver.Solver\n")
    (tmp_path / "outputs" / "solved" / "solution.cif").write_text(text(QUARTZ, "q"))
    for name in ("my.zarr", "k.zarr.partial", "named"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "zarr.json").write_text("{}")
    (tmp_path / "k.zarr.lock").touch()
    assert [entry.id for entry in source(tmp_path)] == ["a.cif"]
    assert source(tmp_path).fingerprint() == before
    assert [entry.id for entry in source(tmp_path / "outputs" / "solved", pattern="*.cif")] == ["solution.cif"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.yaml").write_text("of: another program\n")
    (tmp_path / "mine" / "q.cif").write_text(text(QUARTZ, "q"))
    assert [entry.id for entry in source(tmp_path, pattern="**/*.cif")] == ["a.cif", "mine/q.cif"]


@pytest.mark.parametrize(("path", "pattern"), [("", "**/*"), (".", ".")])
def test_an_empty_path_and_a_pattern_of_nothing_are_refused(path: str, pattern: str) -> None:
    with pytest.raises(UserError, match=r"source\.p(ath|attern)="):
        Folder(path, pattern, None, "as_given", "x", "x")
