"""A store that a stranger may have changed, and the commands that must refuse it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from phaselearn.data.build.store_build import build_store
from phaselearn.data.sources.prototypes import Prototypes
from tests.cli.inside import call
from tests.conftest import OCTANT
from tests.data.store.strange.forging import PROTOTYPES
from tests.hostile import SECRET, VARIABLE, assert_harmless, the_one_line, write_pickle


@pytest.fixture(scope="session")
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
