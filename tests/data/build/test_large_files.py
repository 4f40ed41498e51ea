"""A file of many structures is built in blocks as many files are: shared by processes, and kept when stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phaselearn.data.build import screen_source
from phaselearn.data.build.store_build import build_store
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.sources.folder import Folder
from phaselearn.data.store.storage import LocalStorage
from tests.conftest import OCTANT
from tests.data.files import files_of

BLOCK = """data_{number}
_cell_length_a {edge}
_cell_length_b {edge}
_cell_length_c {edge}
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Po 0 0 0
"""


def _edges(count: int) -> list[float]:
    return [round(3 + number / 1000, 3) for number in range(count)]


def _write(path: Path, count: int) -> Path:
    """Write cubic polonium, once for each edge, into one file in the format of its suffix."""
    if path.suffix == ".cif":
        path.write_text("".join(BLOCK.format(number=n, edge=edge) for n, edge in enumerate(_edges(count))))
    elif path.suffix == ".json":
        rows = [
            {"lattice": [[edge, 0, 0], [0, edge, 0], [0, 0, edge]], "species": ["Po"], "frac_coords": [[0, 0, 0]]}
            for edge in _edges(count)
        ]
        path.write_text(json.dumps(rows))
    else:
        ase = pytest.importorskip("ase", reason="ASE is not installed: pip install 'phaselearn[ase]'")
        from ase.db import connect
        from ase.io import write

        frames = [ase.Atoms("Po", cell=[edge] * 3, pbc=True) for edge in _edges(count)]
        if path.suffix == ".db":
            with connect(path) as database:
                for frame in frames:
                    database.write(frame)
        else:
            write(path, frames)
    return path


def _source(path: Path, count: int | None = None) -> Folder:
    return Folder(str(path), "**/*", count, "primitive", "", "")


@pytest.mark.parametrize("suffix", ["cif", "json", "xyz", "db", "traj"])
def test_each_structure_of_a_large_file_is_an_entry_of_its_own(tmp_path: Path, suffix: str) -> None:
    path = _write(tmp_path / f"a.{suffix}", 5)
    for count, expected in ((None, 5), (3, 3)):
        source = _source(path, count)
        read = source.reader()
        entries = [list(read(raw)) for raw in source.raw_entries()]
        assert [len(entry) for entry in entries] == [1] * expected
        assert [entry.id for [entry] in entries] == [entry.id for entry in source]
        assert [entry.lattice[0, 0] for [entry] in entries] == pytest.approx(_edges(5)[:expected])


def test_a_file_of_one_structure_is_read_by_whoever_builds_its_block(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.cif", 1)
    assert list(_source(path).raw_entries()) == [path]


@pytest.mark.parametrize("suffix", ["json", "cif"])
def test_what_is_built_of_a_large_file_is_kept_when_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    source = _source(_write(tmp_path / f"a.{suffix}", 600))
    whole = build_store(source, OCTANT, tmp_path / "whole.zarr", 30.0, {}, workers=1)
    assert len(whole) == 600
    write = LocalStorage.write

    def stop(storage: LocalStorage, key: str, content: bytes) -> None:
        if key == screen_source.block_key(2):
            raise KeyboardInterrupt
        write(storage, key, content)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            build_store(source, OCTANT, tmp_path / "stopped.zarr", 30.0, {}, workers=1)
    screened, screen = [], screen_source._screened

    def counting(entries: list, longest_edge: float, definition: PairDefinition) -> screen_source.Block:
        screened.append(len(entries))
        return screen(entries, longest_edge, definition)

    monkeypatch.setattr(screen_source, "_screened", counting)
    store = build_store(source, OCTANT, tmp_path / "stopped.zarr", 30.0, {}, workers=1)
    assert screened == [600 - 2 * 256]
    assert files_of(store.path) == files_of(whole.path)
