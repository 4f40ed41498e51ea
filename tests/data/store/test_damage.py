"""Any damage to a file of a store is noticed, named, and repaired by the command that the message gives."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import zarr

from phaselearn.data.build.store_build import build_store
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.store.files import PAIR_ARRAYS, shard_key
from phaselearn.data.store.manifest import Entry, Manifest, read_manifest
from phaselearn.data.store.pair_store import PairStore
from phaselearn.data.store.shard_codec import encode_shard
from phaselearn.data.store.verify import verify_store
from phaselearn.errors import UserError
from tests.cli.inside import call
from tests.conftest import FULL
from tests.data.files import files_of
from tests.thinned import thinned

COUNT = 300
KINDS = (
    *(f"{name}/{part}" for name in PAIR_ARRAYS for part in ("zarr.json", "c/1/0/0/0")),
    *(f"{name}/{part}" for name in ("id", "formula", "prototype", "space_group") for part in ("zarr.json", "c/0")),
    *(f"{name}/{part}" for name in ("atom_offset", "atom_number") for part in ("zarr.json", "c/0")),
    *("lattice/zarr.json", "lattice/c/0/0/0", "atom_position/zarr.json", "atom_position/c/0/0"),
    *("zarr.json", "manifest.json", "README.md", "left_out.csv"),
)
# One of each sort of file: damage to the others is noticed by the same code.
TRIED = {
    "flip": {"density/c/1/0/0/0", "zarr.json", "manifest.json"},
    "remove": {"lattice/c/0/0/0", "README.md"},
}
CONFIG = {
    "_target_": "phaselearn.data.sources.prototypes.Prototypes",
    "count": COUNT,
    "seed": 0,
    "cell": "primitive",
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two shards, never damaged."""
    path = tmp_path_factory.mktemp("sound") / "store.zarr"
    return build_store(Prototypes(COUNT, 0, "primitive"), FULL, path, 30.0, CONFIG).path


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(sound, tmp_path / "store.zarr")


def _kind(key: str) -> str:
    return re.sub(r"/c/0/0/0/0$", "/c/1/0/0/0", key)


def test_every_kind_of_file_is_damaged_here(sound: Path) -> None:
    assert {_kind(key) for key in files_of(sound)} == set(KINDS)


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    # A digit in JSON may still be JSON: of all places the most treacherous.
    digits = [place for place, byte in enumerate(content) if chr(byte).isdigit()]
    place = digits[len(digits) // 2] if file.suffix == ".json" else len(content) // 2
    content[place] ^= 1
    file.write_bytes(content)


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


DAMAGES = {"flip": _flip, "truncate": _truncate, "remove": Path.unlink}


def _command(error: UserError) -> list[str]:
    """Return the command in a message."""
    [command] = re.findall(r"`phaselearn ([^`]*)`", str(error))
    return shlex.split(command)


def _reading(path: Path) -> Iterator[str]:
    """Read everything, and yield what is told about it."""
    try:
        store = PairStore(path)
        for name in ("lattice", "id", "formula", "prototype", "space_group"):
            store._column(name)
        for row in range(len(store)):
            store.crystal(row)
        for name in PAIR_ARRAYS:
            store.read_pairs(name, np.arange(len(store)))
    except UserError as error:
        yield str(error)


@pytest.mark.parametrize(
    "damage",
    thinned(product(DAMAGES, KINDS), lambda damage: damage[1] in TRIED.get(damage[0], ())),
    ids=" ".join,
)
def test_damage_is_noticed_named_and_mended(
    store: Path, sound: Path, damage: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    kind, key = damage
    DAMAGES[kind](store / key)
    told = list(_reading(store))
    # The card and the list of what was left out are for people; everything else is noticed where it is read.
    if key not in ("README.md", "left_out.csv") or kind != "flip":
        assert told, "damaged data were read without a word"
    problems = [problem.file for problem in verify_store(store)]
    assert problems == [key]
    assert call("prepare", f"data.store={store}", "verify=true") == 2
    printed = capsys.readouterr()
    assert key in printed.err
    for message in (*told, printed.err):
        assert key.split("/c/")[0] in message
    assert call(*_command(UserError(printed.err))) == 0
    assert files_of(store) == files_of(sound)


def test_a_sound_store_has_no_problems(sound: Path) -> None:
    assert verify_store(sound) == []


def test_several_damaged_files_are_all_named(store: Path) -> None:
    _flip(store / shard_key("density", 0))
    (store / shard_key("intensity", 1)).unlink()
    assert {problem.file for problem in verify_store(store)} == {shard_key("density", 0), shard_key("intensity", 1)}


def test_an_unlisted_version_is_built_again_from_its_source(store: Path, sound: Path) -> None:
    """As stores were before there was a manifest."""
    (store / "manifest.json").unlink()
    zarr.open_group(store, mode="r+").attrs["schema_version"] = 1
    with pytest.raises(UserError, match="version 1") as caught:
        PairStore(store)
    assert call(*_command(caught.value)) == 0
    assert files_of(store) == files_of(sound)


def test_a_source_that_has_changed_does_not_mend_a_store(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files_of(store)
    (store / "lattice" / "zarr.json").write_text("{}")
    monkeypatch.setattr(Prototypes, "fingerprint", lambda _: "another")
    assert call("prepare", f"data.store={store}", "repair=true") == 2
    assert files_of(store) == before | {"lattice/zarr.json": b"{}"}


@pytest.mark.parametrize("name", PAIR_ARRAYS)
def test_pairs_that_are_not_those_of_their_crystals_are_noticed(store: Path, name: str) -> None:
    """Even where every checksum is right."""
    opened = PairStore(store)
    values = opened.read_pairs(name, np.arange(256))
    content = encode_shard(np.roll(values, 1, axis=0), 256)
    key = shard_key(name, 0)
    opened.storage.write(key, content)
    manifest = read_manifest(opened.storage)
    Manifest(manifest.recipe, manifest.files | {key: Entry.of(content)}).write(opened.storage)
    problems = verify_store(store)
    assert problems
    assert all(problem.file.startswith("row ") for problem in problems)
    assert any(name in problem.what for problem in problems)
