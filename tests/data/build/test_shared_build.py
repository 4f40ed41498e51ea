"""Processes build one store together: each piece is done once, and the bytes are the same, whoever is killed."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from phaselearn.data.build import store_build
from phaselearn.data.build.shared_build import BuildEnded, Pieces, SharedBuild
from phaselearn.data.store.files import RECIPE, SHARDS_WRITTEN
from phaselearn.data.store.location import open_storage
from phaselearn.data.store.recipe import SCHEMA
from tests.cli.folders import PHASELEARN, command
from tests.data.builders import COUNT, built, lines, started, wait_until
from tests.data.files import files_of


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a store that one process builds."""
    return files_of(built(tmp_path_factory.mktemp("alone") / "a.zarr").path)


def test_two_processes_share_the_work(tmp_path: Path, whole: dict[str, bytes]) -> None:
    log, path = tmp_path / "log.txt", tmp_path / "a.zarr"
    processes = started(2, log, path)
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert files_of(path) == whole
    ended = [(process, piece) for process, step, piece in lines(log) if step == "ended"]
    assert Counter(piece for _, piece in ended) == {f"{kind} {n}": 1 for kind in ("block", "shard") for n in range(5)}
    for kind in ("block", "shard"):
        assert {process for process, piece in ended if piece.startswith(kind)} == {each.pid for each in processes}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.zarr", "log.txt"]


@pytest.mark.parametrize("killed", [pytest.param("block", marks=pytest.mark.slow), "shard"])
def test_the_pieces_of_a_killed_process_are_done_by_another(
    tmp_path: Path, whole: dict[str, bytes], killed: str
) -> None:
    """Whether the killed process leads the build or not is left to chance."""
    log, path = tmp_path / "log.txt", tmp_path / "a.zarr"
    processes = started(2, log, path)
    wait_until(lambda: any(piece == f"{killed} 2" for _, _, piece in lines(log)))
    victim = next(process for process, _, piece in lines(log) if piece == f"{killed} 2")
    os.kill(victim, signal.SIGKILL)
    for process in processes:
        process.join()
    assert sorted(process.exitcode or 0 for process in processes) == [-signal.SIGKILL, 0]
    assert files_of(path) == whole
    ended = Counter(piece for _, step, piece in lines(log) if step == "ended")
    assert set(ended.values()) == {1}
    assert len(ended) == 10
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.zarr", "log.txt"]


@pytest.mark.slow
def test_the_jobs_of_a_multirun_build_one_store(tmp_path: Path) -> None:
    """With worker processes of their own, within processes of joblib."""
    prepare = (*PHASELEARN, "prepare", f"source.count={COUNT}", "data=hkl10", "source.cell=primitive", "seed=0")
    jobs = ("-m", "job=1,2", "hydra/launcher=joblib", "data.build.workers=2")
    done = command(tmp_path, *prepare, "data.store=together.zarr", *jobs)
    assert done.stdout.count("together.zarr: ") == 2
    assert "ConfigStore" not in done.stderr  # Hydra's launcher of the same name is not warned of
    command(tmp_path, *prepare, "data.store=alone.zarr", "data.build.workers=1")
    assert files_of(tmp_path / "together.zarr") == files_of(tmp_path / "alone.zarr")


def test_whoever_comes_late_takes_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zarr"
    first = built(path, 20)
    monkeypatch.setattr(store_build, "write_blocks", None)
    assert files_of(built(path, 20).path) == files_of(first.path)


class _Work:
    """Pieces of numbers; each writes a file."""

    def __init__(self, storage: Any, recipe: bytes, count: int) -> None:
        self.build = SharedBuild(storage, recipe, workers=1)
        self.pieces = Pieces(self.build, SHARDS_WRITTEN, ".json", lambda: range(count), self._write)
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.written: list[int] = []

    def _write(self, number: int) -> None:
        self.begun.set()
        assert self.go_on.wait(60)
        self.build.storage.write(f"{SHARDS_WRITTEN}/{number:08}.json", self.build.recipe)
        self.written.append(number)


def test_another_build_begins_when_the_claimed_pieces_of_the_old_one_have_ended(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "a.zarr.partial")
    old, new = (_Work(storage, f"{SCHEMA} {name}".encode(), 3) for name in ("old", "new"))
    old.build.begin()
    with ThreadPoolExecutor(2) as pool:
        working = pool.submit(list, old.pieces)
        assert old.begun.wait(60)
        beginning = pool.submit(new.build.begin)
        wait_until(lambda: not old.build.is_on())
        assert not new.build.is_on()
        old.go_on.set()
        beginning.result(60)
        with pytest.raises(BuildEnded, match="same command again"):
            working.result(60)
    assert old.written == [0]
    assert storage.sizes() == {RECIPE: len(new.build.recipe)}
    new.go_on.set()
    assert list(new.pieces) == [0, 1, 2]
    assert list(tmp_path.iterdir()) == [tmp_path / "a.zarr.partial"]


def test_pieces_that_others_do_are_told_once(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "a.zarr.partial")
    one, other = (_Work(storage, SCHEMA.encode(), 5) for _ in range(2))
    one.build.begin()
    other.go_on.set()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(list, one.pieces)
        assert one.begun.wait(60)
        second = pool.submit(list, other.pieces)
        wait_until(lambda: len(other.written) == 4)
        assert not second.done()
        one.go_on.set()
        assert sorted(first.result(60)) == sorted(second.result(60)) == [0, 1, 2, 3, 4]
    assert one.written == [0]
    assert list(Pieces(one.build, SHARDS_WRITTEN, ".json", lambda: range(5), one._write)) == []
