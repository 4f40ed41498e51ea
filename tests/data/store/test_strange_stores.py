"""Stores that somebody else has made: nothing in them runs, leaks, or leads out of them."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from phaselearn.data.build.store_build import build_store
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.store.manifest import MANIFEST, Entry, Manifest, read_manifest
from phaselearn.data.store.recipe import config_hash
from phaselearn.data.store.storage import LocalStorage
from tests.cli.inside import call
from tests.conftest import OCTANT
from tests.hostile import (
    SECRET,
    VARIABLE,
    Canary,
    assert_harmless,
    one_minute_at_most,
    the_one_line,
    write_pickle,
)

PROTOTYPES = {"_target_": "phaselearn.data.sources.prototypes.Prototypes", "count": 20, "seed": 0, "cell": "primitive"}
LEAK = "${oc.env:" + VARIABLE + "}"
SOURCES = {
    "os.system": {"_target_": "os.system", "command": "touch canary"},
    "numpy.load": {"_target_": "numpy.load", "file": "evil.pkl", "allow_pickle": True},
    "pandas.read_pickle": {"_target_": "pandas.read_pickle", "filepath_or_buffer": "evil.pkl"},
    "phaselearn.files.os.system": {"_target_": "phaselearn.files.os.system", "command": "touch canary"},
    "joblib.load": {**PROTOTYPES, "seed": {"_target_": "joblib.load", "filename": "evil.pkl"}},
    "phaselearn.models.phase_zero.PhaseZero": {"_target_": "phaselearn.models.phase_zero.PhaseZero"},
    "_args_": {**PROTOTYPES, "_args_": [1]},
    LEAK: {"_target_": "phaselearn.data.sources.file.File", "path": LEAK},
    "snapshot=../made": {
        "_target_": "phaselearn.data.sources.materials_project.source.MaterialsProject",
        "snapshot": "../made",
    },
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of twenty crystals."""
    path = tmp_path_factory.mktemp("built") / "small.zarr"
    build_store(Prototypes(20, 0, "primitive"), OCTANT, path, longest_edge=30.0, source_config=PROTOTYPES)
    return path


@pytest.fixture
def store(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, with a pickle beside; a secret is in the environment."""
    place = tmp_path / "place"
    shutil.copytree(built, place / "small.zarr")
    write_pickle(place)
    monkeypatch.chdir(place)
    monkeypatch.setenv(VARIABLE, SECRET)
    return Path("small.zarr")


@pytest.fixture
def refused(store: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must refuse in one line, without harm; return the line."""

    def run(*arguments: str) -> str:
        capfd.readouterr()
        assert call(*arguments) == 2
        printed = capfd.readouterr()
        assert_harmless(Path.cwd(), printed.out + printed.err)
        return the_one_line(printed.err)

    return run


def seal(store: Path, source: dict[str, Any] | None = None) -> None:
    """Write a manifest that fits what the store holds, as whoever forges one would."""
    storage = LocalStorage(store)
    recipe = read_manifest(storage).recipe
    if source is not None:
        recipe["source"]["config"] = source
        recipe["config_hash"] = config_hash(recipe["definition"], recipe["longest_edge"], source)
    files = [path for path in store.rglob("*") if path.is_file() and path.name != MANIFEST]
    Manifest(recipe, {path.relative_to(store).as_posix(): Entry.of(path.read_bytes()) for path in files}).write(storage)


def edit(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a JSON file."""
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


@pytest.mark.parametrize("named", SOURCES)
def test_repair_builds_known_sources_alone(store: Path, refused: Callable[..., str], named: str) -> None:
    seal(store, SOURCES[named])
    (store / "lattice" / "zarr.json").write_text("{}")  # so that all of it must be built again
    line = refused("prepare", f"data.store={store}", "repair=true")
    assert named in line
    assert "`phaselearn prepare data.store=small.zarr repair=true trust=true`" in line
    assert store.exists()


def test_a_user_may_trust_the_source(store: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path.cwd()))
    Path("own_source.py").write_text("from phaselearn.data.sources.prototypes import Prototypes as Own\n")
    seal(store, {**PROTOTYPES, "_target_": "own_source.Own"})
    (store / "lattice" / "zarr.json").write_text("{}")
    assert "own_source.Own" in refused("prepare", f"data.store={store}", "repair=true")
    assert "own_source" not in sys.modules
    assert call("prepare", f"data.store={store}", "repair=true", "trust=true") == 0
    assert call("prepare", f"data.store={store}", "verify=true") == 0


def test_a_known_source_is_built(store: Path, built: Path) -> None:
    (store / "lattice" / "zarr.json").write_text("{}")
    assert call("prepare", f"data.store={store}", "repair=true") == 0
    assert (store / MANIFEST).read_bytes() == (built / MANIFEST).read_bytes()


@pytest.mark.parametrize("broken", ["definition", "source", "longest_edge", "everything"])
def test_a_recipe_that_is_none(store: Path, refused: Callable[..., str], broken: str) -> None:
    storage = LocalStorage(store)
    manifest = read_manifest(storage)
    recipe = {} if broken == "everything" else {**manifest.recipe, broken: {"more": "of it"}}
    Manifest(recipe, manifest.files).write(storage)
    (store / "zarr.json").write_text("{}")
    refused("prepare", f"data.store={store}", "repair=true")


def _version_2(store: Path) -> None:
    """A group of version 2, whose arrays may be pickled."""
    edit(store / "zarr.json", lambda root: root.update(zarr_format=2))
    (store / "lattice" / "zarr.json").unlink()
    array = {"zarr_format": 2, "shape": [20], "chunks": [20], "dtype": "|O", "fill_value": None, "order": "C"}
    filters = {"compressor": None, "filters": [{"id": "pickle", "protocol": 5}]}
    (store / "lattice" / ".zarray").write_text(json.dumps(array | filters))
    (store / "lattice" / "0").write_bytes(pickle.dumps(Canary(Path("canary"))))


def _inner_codec(store: Path) -> None:
    def change(array: dict[str, Any]) -> None:
        array["codecs"][0]["configuration"]["codecs"][1]["name"] = "numcodecs.zlib"

    edit(store / "density" / "zarr.json", change)


ENCODINGS: dict[str, tuple[Callable[[Path], None], str]] = {
    "version 2": (_version_2, "zarr_format is not 3"),
    "pickle": (
        lambda store: edit(
            store / "lattice" / "zarr.json", lambda array: array["codecs"].append({"name": "numcodecs.pickle"})
        ),
        "lattice/zarr.json: codecs is [['bytes'], ['zstd'], ['crc32c'], ['numcodecs.pickle']]",
    ),
    "a codec within a shard": (_inner_codec, "density/zarr.json: codecs is"),
    "an array of objects": (
        lambda store: edit(store / "id" / "zarr.json", lambda array: array.update(data_type="object")),
        "id/zarr.json: data_type is object, allowed is string",
    ),
    "metadata that are repeated": (
        lambda store: edit(
            store / "zarr.json",
            lambda root: root.update(
                consolidated_metadata={"kind": "inline", "must_understand": False, "metadata": {"id": {}}}
            ),
        ),
        "consolidated_metadata",
    ),
    "no codecs at all": (
        lambda store: edit(store / "id" / "zarr.json", lambda array: array.update(codecs=7)),
        "id/zarr.json: it is not the metadata of an array",
    ),
}


def _changed_store_is_refused(
    store: Path, refused: Callable[..., str], change: Callable[[Path], object], told: str
) -> None:
    change(store)
    seal(store)
    line = refused("data", "info", f"data.store={store}")
    assert "small.zarr is no store that this package has written" in line
    assert told in line


@pytest.mark.parametrize("name", ENCODINGS)
def test_metadata_choose_no_code(store: Path, refused: Callable[..., str], name: str) -> None:
    _changed_store_is_refused(store, refused, *ENCODINGS[name])


def _root(**changes: Any) -> Callable[[Path], None]:
    return lambda store: edit(store / "zarr.json", lambda root: root.update(changes))


def _attributes(**changes: Any) -> Callable[[Path], None]:
    return lambda store: edit(store / "zarr.json", lambda root: root["attributes"].update(changes))


def _rows(count: int, *names: str) -> Callable[[Path], None]:
    """Arrays that claim so many rows, in one chunk as in a small store or in as many as it takes."""

    def change(store: Path) -> None:
        for name in names or [file.parent.name for file in store.glob("*/zarr.json")]:
            edit(store / name / "zarr.json", lambda array: array.update(shape=[count, *array["shape"][1:]]))

    return change


def _values(name: str, value: float) -> Callable[[Path], None]:
    def change(store: Path) -> None:
        array = zarr.open_group(store, mode="r+")[name]
        array[:] = np.full(array.shape, value)

    return change


FORMS: dict[str, tuple[Callable[[Path], None], str]] = {
    "attributes that are a list": (_root(attributes=[]), "zarr.json: its attributes do not say"),
    "no attributes": (_root(attributes=None), "zarr.json: its attributes do not say"),
    "no definition": (_attributes(definition={"x": 1}), "zarr.json: its attributes do not say"),
    "no source": (_attributes(source=None), "zarr.json: its attributes do not say"),
    "what zarr does not know": (_root(more={"must_understand": True}), "zarr.json:"),
    "very many crystals": (_rows(10**12), "zarr.json: its shape"),
    "very many lattices": (_rows(10**12, "lattice"), "zarr.json: its shape"),
    "one lattice less": (_rows(1, "lattice"), "zarr.json: its shape"),
    "no crystals": (_rows(0), "shapes that are none"),
    "fewer than none": (_rows(-1, "lattice"), "shapes that are none"),
    "a shape of texts": (
        lambda store: edit(store / "lattice" / "zarr.json", lambda array: array.update(shape=["1", 3, 3])),
        "shapes that are none",
    ),
    "atoms of no element": (_values("atom_number", 999), "atom_number/: numbers that no crystal has"),
    "no such space group": (_values("space_group", 9999), "space_group/: numbers that no crystal has"),
    "atoms in no order": (_values("atom_offset", 5), "atom_offset/: numbers that no crystal has"),
    "a cell of no numbers": (_values("lattice", np.nan), "lattice/: numbers that no crystal has"),
}


@pytest.mark.parametrize("name", FORMS)
def test_what_no_build_writes_is_refused(store: Path, refused: Callable[..., str], name: str) -> None:
    _changed_store_is_refused(store, refused, *FORMS[name])


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000])
@pytest.mark.parametrize("name", ["manifest.json", "zarr.json"])
def test_json_that_is_nested_without_end(store: Path, refused: Callable[..., str], content: str, name: str) -> None:
    (store / name).write_text(content)
    if name != MANIFEST:
        seal(store)
    refused("data", "info", f"data.store={store}")


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_store_holds_no_links(store: Path, refused: Callable[..., str], what: str) -> None:
    seal(store)
    own = Path("own")
    own.mkdir()
    (own / "private.csv").write_text("id,reason\n")
    link = store / ("left_out.csv" if what == "file" else "id")
    if what == "file":
        link.unlink()
        link.symlink_to("../own/private.csv")
    else:
        shutil.rmtree(link)
        link.symlink_to("../own")
    for arguments in (("data", "info"), ("prepare", "verify=true"), ("prepare", "repair=true")):
        line = refused(*arguments, f"data.store={store}")
        assert f"holds a link, {link.name}" in line
    assert (own / "private.csv").exists()


@pytest.mark.parametrize("name", ["manifest.json", "zarr.json", "lattice/zarr.json", "id/c/0", "left_out.csv"])
def test_a_pipe_in_a_store_is_not_waited_for(store: Path, refused: Callable[..., str], name: str) -> None:
    (store / name).unlink()
    os.mkfifo(store / name)
    for arguments in (("data", "info"), ("prepare", "verify=true")):
        with one_minute_at_most():
            assert name in refused(*arguments, f"data.store={store}")


@pytest.mark.parametrize("key", ["../own.txt", "{here}/own.txt"])
def test_a_manifest_leads_nowhere_else(store: Path, refused: Callable[..., str], key: str) -> None:
    own = Path("own.txt")
    own.write_text("mine\n")
    storage = LocalStorage(store)
    manifest = read_manifest(storage)
    key = key.format(here=Path.cwd())
    Manifest(manifest.recipe, manifest.files | {key: Entry.of(own.read_bytes())}).write(storage)
    assert f"{key} (it is missing)" in refused("data", "info", f"data.store={store}")
    assert call("prepare", f"data.store={store}", "repair=true") == 0
    assert own.read_text() == "mine\n"
