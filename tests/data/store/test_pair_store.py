"""Stores return the pairs that were written, whatever happens in between."""

import shutil

import numpy as np
import pytest
import torch
import zarr

from phaselearn.data.build.store_build import build_store
from phaselearn.data.build.write_pairs import compute_pairs
from phaselearn.data.pair_maps import make_pairs, pad_atoms
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.store.files import PAIR_ARRAYS, create_pair_arrays, shard_key
from phaselearn.data.store.manifest import Manifest, read_manifest
from phaselearn.data.store.pair_store import PairStore
from phaselearn.data.store.recipe import SCHEMA_VERSION
from phaselearn.data.store.same_definition import check_definition
from phaselearn.data.store.shard_codec import encode_shard
from phaselearn.data.structures import Crystal, LeftOut, Source
from phaselearn.errors import UserError
from tests.conftest import FULL, OCTANT


def crystal(name="NaCl", edge=5.64, **changes):
    values = {
        "id": name,
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
        assert "blosc" in codecs.lower()
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
        create_pair_arrays(group, count, dict.fromkeys(PAIR_ARRAYS, (6, 6, 6)), pairs_a_shard=8)
    length = ours["density"].shards[0]
    for shard, start in enumerate(range(0, count, length)):
        file = tmp_path / "ours" / shard_key("density", shard)
        file.parent.mkdir(parents=True)
        file.write_bytes(encode_shard(values[start : start + length], length))
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
    assert store.ids().tolist() == ["good"]
    left_out = store.attributes["left_out"]
    assert left_out == {
        "atoms closer than 0.5 Å": 1,
        "cell edge longer than 30 Å": 1,
        "disordered": 1,
        "no atoms": 1,
    }
    lines = (store.path / "left_out.csv").read_text().splitlines()
    assert lines[0] == "id,reason"
    assert sorted(lines[1:]) == [
        "bad.cif,disordered",
        "empty,no atoms",
        "long,cell edge longer than 30 Å",
        "overlap,atoms closer than 0.5 Å",
    ]


def test_a_source_without_a_usable_structure_is_refused(tmp_path):
    with pytest.raises(UserError, match="disordered"):
        build_store(Listed(LeftOut("a", "disordered")), OCTANT, tmp_path / "s.zarr", 30.0, {})
    assert not (tmp_path / "s.zarr").exists()


def test_an_existing_store_is_not_overwritten_unasked(copied_store):
    with pytest.raises(UserError, match="overwrite=true"):
        build_store(Listed(crystal()), OCTANT, copied_store.path, 30.0, {})
    assert len(build_store(Listed(crystal()), OCTANT, copied_store.path, 30.0, {}, overwrite=True)) == 1


def _files(path):
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def test_stores_of_another_schema_are_refused(copied_store, tmp_path):
    storage = copied_store.storage
    manifest = read_manifest(storage)
    Manifest(manifest.recipe | {"schema_version": SCHEMA_VERSION + 1}, manifest.files).write(storage)
    with pytest.raises(UserError, match=f"version {SCHEMA_VERSION + 1}.*repair=true"):
        PairStore(copied_store.path)
    zarr.create_group(tmp_path / "other.zarr")
    with pytest.raises(UserError, match="schema"):
        PairStore(tmp_path / "other.zarr")
    (tmp_path / "no.zarr").mkdir()
    (tmp_path / "no.zarr" / "notes.txt").write_text("mine")
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
