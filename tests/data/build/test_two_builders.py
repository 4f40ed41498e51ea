"""Two that build one store: one leads, whatever is killed, and nothing that is not a store is replaced."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from filelock import Timeout

from phaselearn.data.build import store_build
from phaselearn.data.build.store_build import build_store
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.store.manifest import MANIFEST
from phaselearn.data.store.pair_store import PairStore
from phaselearn.data.store.removal import check_removable, removal_order
from phaselearn.errors import UserError
from phaselearn.locks import Holder, LockFile, held
from tests.conftest import OCTANT
from tests.data.files import files_of


def _built(path: Path, count: int = 40, **options: Any) -> PairStore:
    return build_store(Prototypes(count, 0, "primitive"), OCTANT, path, 30.0, {}, workers=1, **options)


class _Held:
    """Stops whoever leads a build between its blocks and its shards until it is let go; counts those that lead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self.count = 0
        self._write_columns = store_build._write_columns
        monkeypatch.setattr(store_build, "_write_columns", self)

    def __call__(self, *arguments: Any) -> Any:
        self.count += 1
        self.reached.set()
        assert self.go_on.wait(60)
        return self._write_columns(*arguments)


@pytest.fixture
def held_build(monkeypatch: pytest.MonkeyPatch) -> _Held:
    """A build that waits between its blocks and its shards."""
    return _Held(monkeypatch)


def _second_while_the_first_builds(
    held_build: _Held, first: Callable[[], PairStore], second: Callable[[], PairStore], capfd: Any
) -> tuple[PairStore, PairStore]:
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first)
        assert held_build.reached.wait(60)
        other = pool.submit(second)
        told = ""
        while "waiting" not in told and not other.done():
            told += capfd.readouterr().err
        held_build.go_on.set()
        assert told.count("waiting") == 1
        assert f"waiting: another process ({os.getpid()} on " in told
        assert " builds " in told
        assert " since " in told
        return one.result(60), other.result(60)


@pytest.mark.parametrize("overwrite", [False, True])
def test_whoever_waits_takes_the_store(
    tmp_path: Path, held_build: _Held, capfd: pytest.CaptureFixture[str], overwrite: bool
) -> None:
    path = tmp_path / "a.zarr"
    stores = _second_while_the_first_builds(
        held_build, lambda: _built(path), lambda: _built(path, overwrite=overwrite), capfd
    )
    assert held_build.count == 1
    assert [len(store) for store in stores] == [40, 40]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.zarr"]
    assert files_of(path) == files_of(_built(tmp_path / "alone.zarr").path)


def test_a_link_leads_to_the_same_place(
    tmp_path: Path, held_build: _Held, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "other").symlink_to(tmp_path / "real")
    (tmp_path / "link.zarr").symlink_to("real/a.zarr")
    monkeypatch.chdir(tmp_path)
    _second_while_the_first_builds(
        held_build,
        lambda: _built(tmp_path / "link.zarr"),
        lambda: _built(Path("real/../other/a.zarr")),
        capfd,
    )
    assert held_build.count == 1
    assert sorted(entry.name for entry in (tmp_path / "real").iterdir()) == ["a.zarr"]
    assert (tmp_path / "link.zarr").is_symlink()


def test_whoever_waits_for_another_store_is_told_that_it_is_there(
    tmp_path: Path, held_build: _Held, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.zarr"
    with pytest.raises(UserError, match=r"exists already.*overwrite=true"):
        _second_while_the_first_builds(held_build, lambda: _built(path), lambda: _built(path, count=20), capfd)
    assert len(PairStore(path)) == 40


def test_a_build_within_a_build_of_the_same_store_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_build, "write_pairs", lambda *_: _built(tmp_path / "a.zarr"))
    with pytest.raises(UserError, match="already"):
        _built(tmp_path / "a.zarr")
    monkeypatch.undo()
    assert len(_built(tmp_path / "a.zarr")) == 40


def _hold(file: str, ready: Any) -> None:
    with held(LockFile(Path(file), "builds a")):
        ready.set()
        signal.pause()


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    ready = context.Event()
    holder = context.Process(target=_hold, args=(str(tmp_path / "a.lock"), ready))
    holder.start()
    assert ready.wait(120)
    noted = Holder.decode((tmp_path / "a.lock").read_bytes())
    assert noted is not None
    assert noted.process == holder.pid
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with held(LockFile(tmp_path / "a.lock", "builds a")) as waited:
        assert not waited
    assert not (tmp_path / "a.lock").exists()


def test_many_threads_hold_a_lock_one_at_a_time(tmp_path: Path) -> None:
    inside, most = 0, 0

    def enter(_: int) -> None:
        nonlocal inside, most
        with held(LockFile(tmp_path / "a.lock", "counts")):
            inside += 1
            most = max(most, inside)
            inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, range(40)))
    assert most == 1
    assert not (tmp_path / "a.lock").exists()


def test_a_lock_that_cannot_be_made_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In /proc, filelock reports a file that cannot be made as one that another process holds."""

    def no_file(*_: Any, **__: Any) -> None:
        raise Timeout("")

    monkeypatch.setattr("phaselearn.locks.FileLock.acquire", no_file)
    name = "a" * 300  # no file system takes it
    with pytest.raises(OSError, match=name), held(LockFile(tmp_path / name, "builds a")):
        pass


@pytest.mark.parametrize("place", ["a.zarr", "a.zarr.partial"])
@pytest.mark.parametrize("content", [{"thesis.tex": "…"}, {"zarr.json": "{}"}, {"building/plan.txt": "…"}])
def test_a_folder_that_is_no_store_is_never_replaced(tmp_path: Path, place: str, content: dict[str, str]) -> None:
    for name, text in content.items():
        file = tmp_path / place / name
        file.parent.mkdir(parents=True)
        file.write_text(text)
    before = files_of(tmp_path)
    with pytest.raises(UserError, match=r"not a store of PhaseLearn.*data\.store"):
        _built(tmp_path / "a.zarr", overwrite=True)
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("place", ["a.zarr", "a.zarr.partial"])
def test_a_file_of_the_users_in_a_store_is_never_deleted(tmp_path: Path, place: str) -> None:
    _built(tmp_path / place)
    (tmp_path / place / "notes.txt").write_text("…")
    with pytest.raises(UserError, match=r"it holds notes\.txt"):
        _built(tmp_path / "a.zarr", count=20, overwrite=True)
    assert (tmp_path / place / "notes.txt").exists()
    assert len(PairStore(tmp_path / place)) == 40


def test_a_file_is_no_place_for_a_store(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").write_text("…")
    with pytest.raises(UserError, match="is not a folder"):
        _built(tmp_path / "a.zarr", overwrite=True)


def test_a_removal_that_is_stopped_anywhere_leaves_what_is_ours_and_not_whole(tmp_path: Path) -> None:
    storage = _built(tmp_path / "a.zarr").storage
    keys = [key for group in removal_order(storage.sizes()) for key in group]
    for key in keys:
        storage.delete([key])
        check_removable(storage)
        assert not storage.has(MANIFEST)
    assert storage.sizes() == {}


def test_an_empty_folder_is_a_place_for_a_store(tmp_path: Path) -> None:
    (tmp_path / "a.zarr" / "inner").mkdir(parents=True)
    assert len(_built(tmp_path / "a.zarr")) == 40
