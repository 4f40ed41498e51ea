"""Files of a stranger's store: nothing in them runs, leaks, or leads out of the store."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from phaselearn.data.store.manifest import MANIFEST, Entry, Manifest, read_manifest
from phaselearn.data.store.storage import LocalStorage
from tests.cli.inside import call
from tests.data.store.strange.forging import edit, seal
from tests.hostile import Canary, one_minute_at_most
from tests.thinned import thinned


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
    assert "small.zarr is not a store that this package has written" in line
    assert told in line


@pytest.mark.parametrize("name", thinned(ENCODINGS, {"version 2", "pickle", "a codec within a shard"}.__contains__))
def test_metadata_choose_no_code(store: Path, refused: Callable[..., str], name: str) -> None:
    _changed_store_is_refused(store, refused, *ENCODINGS[name])


def _root(**changes: Any) -> Callable[[Path], None]:
    return lambda store: edit(store / "zarr.json", lambda root: root.update(changes))


def _attributes(**changes: Any) -> Callable[[Path], None]:
    return lambda store: edit(store / "zarr.json", lambda root: root["attributes"].update(changes))


def _rows(count: int, *names: str) -> Callable[[Path], None]:
    """Arrays that claim a large number of rows, in one chunk or in as many as that needs."""

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


# One for each line that is told.
TRIED = {"no attributes", "what zarr does not know", "very many lattices", "fewer than none", "atoms in no order"}


@pytest.mark.parametrize("name", thinned(FORMS, TRIED.__contains__))
def test_what_no_build_writes_is_refused(store: Path, refused: Callable[..., str], name: str) -> None:
    _changed_store_is_refused(store, refused, *FORMS[name])


@pytest.mark.parametrize("content", ["[" * 100_000, pytest.param('{"a":' * 100_000, marks=pytest.mark.slow)])
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


@pytest.mark.parametrize(
    "name",
    thinned(
        ["manifest.json", "zarr.json", "lattice/zarr.json", "id/c/0", "left_out.csv"],
        {"manifest.json", "id/c/0"}.__contains__,
    ),
)
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
