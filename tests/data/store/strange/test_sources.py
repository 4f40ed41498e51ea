"""Sources that a stranger's store names: a repair builds known ones alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from phaselearn.data.store.manifest import MANIFEST, Manifest, read_manifest
from phaselearn.data.store.storage import LocalStorage
from tests.cli.inside import call
from tests.data.store.strange.forging import PROTOTYPES, seal
from tests.hostile import VARIABLE

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
