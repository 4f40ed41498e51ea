"""A snapshot that was interrupted at random, any number of times, is the one that never was, byte for byte."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import BaseContext
from pathlib import Path

import pytest

from phaselearn.data.sources.materials_project import client
from phaselearn.data.sources.materials_project import fetch as fetch_module
from phaselearn.data.sources.materials_project.filters import Filters
from phaselearn.data.sources.materials_project.source import MaterialsProject
from phaselearn.errors import UserError
from tests.data.sources.materials_project.server import KEY, Fault, MaterialsProjectServer, rock_salts

FILES = ("manifest.json", "structures.jsonl.gz")
COUNT = 210  # three pages of ids, eleven batches
SMALL = {
    client: {"PAUSE": 0.0, "WAITS": (0.0,), "IDS_A_PAGE": 100},
    fetch_module: {"IDS_A_PAGE": 100, "IDS_A_BATCH": 20},
}
FAULTS: list[Fault] = [
    ("drop", None),
    ("cut", 0.0),
    ("cut", 0.3),
    ("cut", 0.99),
    ("body", b"<html></html>"),
    ("status", (500, b"Internal Server Error", {})),
    ("status", (429, b"{}", {"Retry-After": "0"})),
]


def fetch(endpoint: str, folder: Path) -> None:
    for module, values in SMALL.items():
        vars(module).update(values)
    MaterialsProject(Filters(elements=["Na"]), snapshot=str(folder), endpoint=endpoint, api_key=KEY).fingerprint()


@pytest.fixture(scope="module")
def processes() -> BaseContext:
    """Processes that begin with the client imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mp_api.client", __name__])
    return context


@pytest.fixture(autouse=True)
def _undo_what_fetch_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for module, values in SMALL.items():
        for name in values:
            monkeypatch.setattr(module, name, getattr(module, name))


@pytest.fixture
def server() -> Iterator[MaterialsProjectServer]:
    with MaterialsProjectServer(rock_salts(COUNT)) as running:
        yield running


@pytest.fixture
def uninterrupted(server: MaterialsProjectServer, tmp_path: Path) -> list[bytes]:
    fetch(server.endpoint, tmp_path / "whole")
    return contents(tmp_path / "whole")


def contents(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in FILES]


@pytest.mark.parametrize("seed", [0, 1])
def test_connections_cut_at_random(
    server: MaterialsProjectServer, uninterrupted: list[bytes], tmp_path: Path, seed: int
) -> None:
    generator = random.Random(seed)
    server.fault = lambda path: generator.choice(FAULTS) if generator.random() < 0.4 else None
    folder, told = tmp_path / "cut", []
    while not folder.exists():
        try:
            fetch(server.endpoint, folder)
        except UserError as error:
            told.append(str(error))
        assert len(told) < 200
    assert told
    assert all("what was fetched is kept" in line for line in told)
    assert contents(folder) == uninterrupted
    assert sorted(path.name for path in folder.iterdir()) == ["fetched.json", *FILES]


@pytest.mark.slow
def test_killed_at_random(
    server: MaterialsProjectServer, uninterrupted: list[bytes], tmp_path: Path, processes: BaseContext
) -> None:
    generator = random.Random(0)
    folder, killed = tmp_path / "killed", 0
    while not folder.exists():
        process = processes.Process(target=fetch, args=(server.endpoint, folder))
        asked = len(server.requests)
        process.start()
        # So late that it gets somewhere, at a moment of its own within that request or what follows it.
        enough = asked + generator.randint(5, 10)
        limit = time.monotonic() + 60
        while process.is_alive() and len(server.requests) < enough:
            assert time.monotonic() < limit
            time.sleep(0.001)
        time.sleep(generator.random() * 0.05)
        process.kill()
        process.join()
        killed += process.exitcode == -9
        assert killed < 100
    assert killed >= 2
    assert contents(folder) == uninterrupted
    assert not folder.with_name("killed.partial").exists()


class Killed(BaseException):
    """As with a kill, nothing handles it."""


@pytest.mark.parametrize(
    "last", ["structures.jsonl.gz", "fetched.json", "manifest.json", "listing", "batches", "s.partial"]
)
def test_killed_just_before_a_step_of_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str) -> None:
    def stopping(function: Callable[..., None]) -> Callable[..., None]:
        def call(path: Path, *arguments: object, **options: object) -> None:
            if path.name == last:
                raise Killed
            function(path, *arguments, **options)

        return call

    with MaterialsProjectServer(rock_salts(30)) as server:
        fetch(server.endpoint, tmp_path / "whole")
        with monkeypatch.context() as patch:
            patch.setattr(fetch_module, "write_whole", stopping(fetch_module.write_whole))
            patch.setattr(fetch_module.shutil, "rmtree", stopping(shutil.rmtree))
            patch.setattr(fetch_module.os, "replace", stopping(os.replace))
            with pytest.raises(Killed):
                fetch(server.endpoint, tmp_path / "s")
        assert not (tmp_path / "s").exists()
        fetch(server.endpoint, tmp_path / "s")
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")
    assert not (tmp_path / "s.partial").exists()
