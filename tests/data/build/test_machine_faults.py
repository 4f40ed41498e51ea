"""Faults of the machine stop a build, which can be resumed; no entry is left out because of one."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phaselearn.data.build.store_build import build_store
from phaselearn.data.sources.file import File
from phaselearn.data.sources.folder import Folder
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.store.location import open_storage
from phaselearn.data.store.pair_store import PairStore
from phaselearn.data.store.verify import verify_store
from phaselearn.data.structures import Crystal, LeftOut, Source
from phaselearn.errors import UserError
from tests.conftest import OCTANT
from tests.data.files import files_of

SALT = """data_salt
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_symmetry_space_group_name_H-M 'F m -3 m'
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na 0 0 0
Cl 0.5 0.5 0.5
"""
XYZ = '2\nLattice="4.1 0 0 0 4.1 0 0 0 4.1" Properties=species:S:1:pos:R:3 pbc="T T T"\nCs 0 0 0\nCl 2.05 2.05 2.05\n'


@contextmanager
def limited(what: int, limit: int) -> Iterator[None]:
    """Lower a limit of this process for a while."""
    before = resource.getrlimit(what)
    resource.setrlimit(what, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(what, before)


@contextmanager
def too_many_files() -> Iterator[None]:
    """Let no file be opened any more."""
    free = os.dup(0)
    os.close(free)
    with limited(resource.RLIMIT_NOFILE, free):
        yield


def _folder(path: Path) -> Folder:
    return Folder(str(path), "**/*", None, "primitive", "", "")


@pytest.mark.parametrize(("name", "text"), [("a.cif", SALT), ("a.xyz", XYZ)])
def test_an_entry_is_not_left_out_because_no_file_can_be_opened(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    source = _folder(tmp_path)
    assert [type(entry) for entry in source] == [Crystal]
    with too_many_files(), pytest.raises(OSError, match=os.strerror(errno.EMFILE)) as raised:
        list(source)
    assert raised.value.filename == str(tmp_path / name)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ENOENT])
def test_a_build_that_cannot_read_a_file_stops_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (tmp_path / "files").mkdir()
    for letter in "abc":
        (tmp_path / "files" / f"{letter}.cif").write_text(SALT)
    source = _folder(tmp_path / "files")
    read = Path.read_bytes

    def failing(path: Path) -> bytes:
        if path.name == "b.cif":
            if number == errno.ENOENT:
                path.unlink()
            raise OSError(number, os.strerror(number), str(path))
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", failing)
        with pytest.raises(OSError, match=os.strerror(number)):
            build_store(source, OCTANT, tmp_path / "a.zarr", 30.0, {}, workers=1)
    assert not (tmp_path / "a.zarr").exists()
    (tmp_path / "files" / "b.cif").write_text(SALT)
    store = build_store(source, OCTANT, tmp_path / "a.zarr", 30.0, {}, workers=1)
    assert store.ids().tolist() == ["a.cif", "b.cif", "c.cif"]


@pytest.mark.parametrize("most", [100, 3000, 20_000])
def test_a_build_that_cannot_write_stops_and_goes_on(tmp_path: Path, most: int) -> None:
    def build(path: Path) -> PairStore:
        return build_store(Prototypes(300, 0, "primitive"), OCTANT, path, 30.0, {}, workers=1)

    # As where a disk is full: files larger than the limit are cut.
    with limited(resource.RLIMIT_FSIZE, most), pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
        build(tmp_path / "a.zarr")
    assert not (tmp_path / "a.zarr").exists()
    assert not [name for name in files_of(tmp_path) if name.endswith((".partial", ".lock"))]
    assert files_of(build(tmp_path / "a.zarr").path) == files_of(build(tmp_path / "b.zarr").path)


def test_a_store_that_cannot_be_read_now_is_not_called_damaged(tiny_store: PairStore) -> None:
    store = PairStore(tiny_store.path)
    assert store.group() is not None
    with too_many_files(), pytest.raises(UserError, match="cannot be read: Too many open files") as raised:
        store.lattices()
    assert "repair" not in str(raised.value)
    assert len(store.lattices()) == len(tiny_store)


def test_a_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one(tiny_store: PairStore) -> None:
    storage = open_storage(tiny_store.path)
    with too_many_files(), pytest.raises(OSError, match="Too many open files"):
        storage.sizes()


class Listed(Source):
    """Crystals of a source that checks nothing."""

    name, licence, attribution = "listed", "", ""

    def __init__(self, *entries: Any) -> None:
        self.entries = entries

    def __iter__(self) -> Iterator[Any]:
        yield from self.entries

    def fingerprint(self) -> str:
        return "0"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda crystal: replace(crystal, id="a\ud800"),
        lambda crystal: replace(crystal, id="a\0"),
        lambda crystal: replace(crystal, id="a" * 100_000),
        lambda crystal: replace(crystal, prototype="\udcff"),
        lambda crystal: replace(crystal, space_group=999),
        lambda crystal: replace(crystal, space_group=10**30),
        lambda crystal: replace(crystal, lattice=crystal.lattice[:2]),
        lambda crystal: replace(crystal, positions=crystal.positions[:1, :2]),
        lambda crystal: replace(crystal, numbers=crystal.numbers + 200),
        lambda _: LeftOut("b\ud800", "none \udcff"),
    ],
)
def test_an_entry_that_would_end_the_build_later_is_left_out(
    tmp_path: Path, spoil: Callable[[Crystal], Crystal | LeftOut]
) -> None:
    first, second, third = Prototypes(3, 0, "primitive")
    source = Listed(first, spoil(second), third)
    store = build_store(source, OCTANT, tmp_path / "a.zarr", 30.0, {}, workers=1)
    assert store.ids().tolist() == [first.id, third.id]
    assert sum(store.attributes["left_out"].values()) == 1
    assert verify_store(store.path) == []


def test_a_row_that_cannot_be_written_is_left_out_of_a_file(tmp_path: Path) -> None:
    row = '{"id": "%s", "lattice": [[4,0,0],[0,4,0],[0,0,4]], "species": ["Po"], "frac_coords": [[0,0,0]]}\n'
    (tmp_path / "a.jsonl").write_text((row % "sound") + (row % "\\ud800"))
    source = File(str(tmp_path / "a.jsonl"), None, "", "")
    store = build_store(source, OCTANT, tmp_path / "a.zarr", 30.0, {}, workers=1)
    assert "sound" in store.ids().tolist()
