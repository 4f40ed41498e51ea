"""Helpers that the tests of the Materials Project share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock

from phaselearn.data.sources.materials_project.filters import Filters
from phaselearn.data.sources.materials_project.source import MaterialsProject
from phaselearn.data.structures import Crystal
from tests.data.sources.materials_project.server import (
    KEY,
    Fault,
    MaterialsProjectServer,
)

Make = Callable[..., MaterialsProject]
SUMMARY = "/materials/summary/"


def ids(source: MaterialsProject) -> set[str]:
    return {entry.id for entry in source if isinstance(entry, Crystal)}


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a snapshot that depend on the filters and the database alone."""
    assert sorted(path.name for path in folder.iterdir()) == ["fetched.json", "manifest.json", "structures.jsonl.gz"]
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "fetched.json"}


def fetched(server: MaterialsProjectServer, folder: Path, key: str = KEY) -> dict[str, bytes]:
    source = MaterialsProject(Filters(elements=["Na"]), snapshot=str(folder), endpoint=server.endpoint, api_key=key)
    return contents(source.snapshot().folder)


class Once:
    """A fault at the n-th request of a path, repeated a number of times."""

    def __init__(self, path: str, number: int, fault: Fault, times: int = 1) -> None:
        self.path, self.number, self.fault, self.times = path, number, fault, times
        self.asked = 0
        self._lock = Lock()  # the server answers each request in a thread of its own

    def __call__(self, path: str) -> Fault:
        if path != self.path:
            return None
        with self._lock:
            self.asked += 1
            strikes = self.number <= self.asked < self.number + self.times
        return self.fault if strikes else None
