"""Stores: what is written is what is read, whatever happens in between."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import zarr

from phaselearn.data.build import build_store, compute_pairs, repair_store
from phaselearn.data.pairs import make_pairs, pad_atoms
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.store import (
    PAIR_ARRAYS,
    SCHEMA_VERSION,
    PairStore,
    check_definition,
    create_pair_arrays,
    shard_file,
    write_pairs,
)
from phaselearn.data.structures import Crystal, LeftOut, Source
from phaselearn.errors import UserError
from tests.conftest import FULL, OCTANT


def crystal(name="NaCl", edge=5.64, **changes):
    values = {
        "id": name,
        "formula": "NaCl",
        "lattice": edge * np.eye(3),
        "numbers": np.array([11, 17]),
        "positions": np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]]),
        "prototype": "AB_221_a_b",
        "space_group": 221,
    }
    return Crystal(**(values | changes))


class Listed(Source):
    name, licence, attribution = "listed", "none", "nobody"

    def __init__(self, *entries):
        self.entries = entries

    def __iter__(self):
        return iter(self.entries)

    def fingerprint(self):
        return str(len(self.entries))


@pytest.fixture
def copied_store(tiny_store, tmp_path):
    return PairStore(shutil.copytree(tiny_store.path, tmp_path / "store.zarr"))


def test_a_store_gives_back_its_crystals_and_pairs(tiny_store):
    expected = [entry for entry in Prototypes(300, 0, "primitive") if np.linalg.norm(entry.lattice, axis=1).max() <= 30]
    assert len(tiny_store) == len(expected)
    for row in (0, 7, len(expected) - 1):
        read = tiny_store.crystal(row)
        for name in Crystal.__slots__:
            assert np.array_equal(getattr(read, name), getattr(expected[row], name)), name
        lattice, numbers, positions = pad_atoms([expected[row]])
        for name, values in zip(PAIR_ARRAYS, make_pairs(lattice, numbers, positions, OCTANT), strict=True):
            stored = tiny_store.read_pairs(name, np.array([row]))
            assert np.abs(stored - values.numpy()).max() <= 1e-5 * np.abs(values.numpy()).max()


def test_arrays_are_as_published(tiny_store):
    group = zarr.open_group(tiny_store.path, mode="r")
    assert group.metadata.zarr_format == 3
    for name in PAIR_ARRAYS:
        assert group[name].chunks == (1, 10, 10, 10)
        assert group[name].shards[0] == 256
        assert group[name].dtype == np.float32
        codecs = str(group[name].metadata.codecs)
        assert "zstd" in codecs.lower()
        assert "crc32c" in codecs.lower()
    attributes = tiny_store.attributes
    assert attributes["definition"] == OCTANT.as_dict()
    assert attributes["source"]["licence"]
    assert "Mehl" in attributes["source"]["attribution"]
    assert set(attributes["versions"]) >= {"torch", "zarr", "gemmi"}
    assert len(attributes["config_hash"]) == 64


@pytest.mark.parametrize("count", [5, 11])
def test_shards_are_those_that_zarr_writes(tmp_path, count):
    values = np.random.default_rng(0).standard_normal((count, 6, 6, 6)).astype(np.float32).round(1)
    ours, theirs = (zarr.open_group(tmp_path / name, mode="w", zarr_format=3) for name in ("ours", "theirs"))
    for group in (ours, theirs):
        create_pair_arrays(group, count, 6, pairs_a_shard=8)
    length = ours["density"].shards[0]
    for shard, start in enumerate(range(0, count, length)):
        write_pairs(tmp_path / "ours", ours, "density", shard, values[start : start + length])
    theirs["density"][:] = values
    assert np.array_equal(ours["density"][:], values)
    assert _files(tmp_path / "ours") == _files(tmp_path / "theirs")


def test_padded_atoms_are_those_of_each_row(tiny_store):
    rows = np.array([5, 2, 9])
    numbers, positions = tiny_store.atoms(rows)
    for place, row in enumerate(rows):
        atoms = len(tiny_store.crystal(row).numbers)
        assert np.array_equal(numbers[place, :atoms], tiny_store.crystal(row).numbers)
        assert np.array_equal(positions[place, :atoms], tiny_store.crystal(row).positions)
        assert (numbers[place, atoms:] == 0).all()


def test_unusable_structures_are_left_out_counted_and_listed(tmp_path):
    entries = [
        crystal("good"),
        LeftOut("bad.cif", "disordered"),
        crystal("long", edge=31.0),
        crystal("overlap", positions=np.array([[0.0, 0, 0], [0.95, 0, 0]])),
        crystal("empty", numbers=np.array([], dtype=int), positions=np.zeros((0, 3))),
    ]
    store = build_store(Listed(*entries), OCTANT, tmp_path / "s.zarr", 30.0, {})
    assert store.ids.tolist() == ["good"]
    left_out = store.attributes["left_out"]
    assert left_out["counts"] == {
        "atoms closer than 0.5 Å": 1,
        "cell edge longer than 30 Å": 1,
        "disordered": 1,
        "no atoms": 1,
    }
    assert ["bad.cif", "disordered"] in left_out["entries"]


def test_a_source_without_a_usable_structure_is_refused(tmp_path):
    with pytest.raises(UserError, match="disordered"):
        build_store(Listed(LeftOut("a", "disordered")), OCTANT, tmp_path / "s.zarr", 30.0, {})
    assert not (tmp_path / "s.zarr").exists()


def test_an_existing_store_is_not_overwritten_unasked(copied_store):
    with pytest.raises(UserError, match="overwrite=true"):
        build_store(Listed(crystal()), OCTANT, copied_store.path, 30.0, {})
    assert len(build_store(Listed(crystal()), OCTANT, copied_store.path, 30.0, {}, overwrite=True)) == 1


_BUILD = """
import sys
from tests.conftest import OCTANT
from phaselearn.data.build import build_store
from phaselearn.data.sources.prototypes import Prototypes
build_store(Prototypes(1500, 0, "primitive"), OCTANT, sys.argv[1], 30.0, {"count": 1500})
"""


def _files(path):
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def test_a_killed_build_goes_on_and_ends_the_same(tmp_path):
    whole, killed = tmp_path / "whole.zarr", tmp_path / "killed.zarr"
    command = [sys.executable, "-c", _BUILD]
    subprocess.run([*command, whole], check=True)
    partial = killed.with_name("killed.zarr.partial")
    kills = 0
    for shards in (1, 3):
        process = subprocess.Popen([*command, killed])
        while process.poll() is None:
            try:
                done = json.loads((partial / "zarr.json").read_text())["attributes"].get("shards_built", 0)
            except (OSError, ValueError, KeyError):
                done = 0
            if done >= shards:
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.001)
        process.wait()
        if not killed.exists():
            with pytest.raises(UserError, match="half built"):
                PairStore(partial)
    assert kills
    first_shard = partial / "intensity" / "c" / "0" / "0" / "0" / "0"
    before = os.stat(first_shard).st_mtime_ns if first_shard.exists() else None
    subprocess.run([*command, killed], check=True)
    assert _files(killed) == _files(whole)
    assert not partial.exists()
    if before is not None:
        assert os.stat(killed / "intensity" / "c" / "0" / "0" / "0" / "0").st_mtime_ns == before


@pytest.mark.parametrize("name", PAIR_ARRAYS)
def test_a_damaged_chunk_is_named_and_repaired(copied_store, name):
    path = copied_store.path
    sound = _files(path)
    shard = shard_file(path, name, 0)
    damaged = bytearray(shard.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    shard.write_bytes(damaged)
    with pytest.raises(UserError) as caught:
        PairStore(path).read_pairs(name, np.arange(200))
    message = str(caught.value)
    assert f"array '{name}'" in message
    assert "repair=true" in message
    row = int(message.split("chunk ")[1].split(" ")[0])
    with pytest.raises(UserError, match=f"chunk {row} "):
        PairStore(path).read_pairs(name, np.array([row]))
    assert repair_store(path) == [str(shard.relative_to(path))]
    assert _files(path) == sound
    assert repair_store(path) == []


def test_truncated_and_missing_shards_are_noticed_and_repaired(copied_store):
    path = copied_store.path
    sound = _files(path)
    truncated, missing = shard_file(path, "intensity", 1), shard_file(path, "density", 0)
    truncated.write_bytes(truncated.read_bytes()[:-100])
    with pytest.raises(UserError, match="chunk"):
        PairStore(path).read_pairs("intensity", np.array([256]))
    missing.unlink()
    with pytest.raises(UserError, match="density/c/0/0/0/0"):
        PairStore(path)
    assert len(repair_store(path)) == 2
    assert _files(path) == sound


def test_stores_of_another_schema_are_refused(copied_store, tmp_path):
    group = zarr.open_group(copied_store.path, mode="r+")
    group.attrs["schema_version"] = SCHEMA_VERSION + 1
    with pytest.raises(UserError, match="overwrite=true"):
        PairStore(copied_store.path)
    zarr.create_group(tmp_path / "other.zarr")
    with pytest.raises(UserError, match="schema"):
        PairStore(tmp_path / "other.zarr")
    (tmp_path / "no.zarr").mkdir()
    with pytest.raises(UserError, match="not a readable"):
        PairStore(tmp_path / "no.zarr")
    with pytest.raises(UserError, match="no store at"):
        PairStore(tmp_path / "nothing.zarr")


def test_a_full_layout_asked_of_an_octant_store_is_refused(tiny_store):
    check_definition(tiny_store, OCTANT)
    with pytest.raises(UserError, match="layout: store octant, asked full"):
        check_definition(tiny_store, FULL)


def test_batches_of_pairs_do_not_depend_on_their_company():
    crystals = list(Prototypes(40, 1, "primitive"))
    together = compute_pairs(crystals, FULL)
    alone = compute_pairs(crystals[17:18], FULL)
    for first, second in zip(together, alone, strict=True):
        scale = np.abs(second).max()
        assert np.abs(first[17] - second[0]).max() < 1e-5 * scale
    assert torch.get_num_threads() >= 1
