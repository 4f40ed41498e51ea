"""Building a store: by any number of processes and however often killed, it is the same to the last byte."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from phaselearn.data.build.store_build import build_store
from phaselearn.data.processes import in_processes
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.store.pair_store import PairStore
from phaselearn.data.store.storage import LocalStorage
from phaselearn.errors import UserError
from tests.cli.folders import PHASELEARN, command, environment
from tests.conftest import OCTANT
from tests.data.files import files_of

PREPARE = (*PHASELEARN, "prepare", "source=file", "source.path=crystals.jsonl", "data=hkl10", "data.store=store.zarr")


@pytest.fixture(scope="module")
def crystals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of crystals, some of which are left out."""
    import json

    from pymatgen.core import Element

    path = tmp_path_factory.mktemp("crystals") / "crystals.jsonl"
    with open(path, "w") as file:
        for number, crystal in enumerate(Prototypes(1100, 0, "primitive")):
            row = {
                "id": crystal.id,
                "lattice": crystal.lattice.tolist(),
                "species": [Element.from_Z(int(z)).symbol for z in crystal.numbers],
                "frac_coords": crystal.positions.tolist(),
                "prototype": crystal.prototype,
                "spacegroup": crystal.space_group,
            }
            if number % 97 == 0:
                row["species"][0] = "Xx"
            print(json.dumps(row), file=file)
    return path


def _link(folder: Path, crystals: Path) -> None:
    link = folder / "crystals.jsonl"
    if not link.exists():
        link.symlink_to(crystals)


def _built(folder: Path, crystals: Path, workers: int) -> dict[str, bytes]:
    """Return the files of a store that is built in one go."""
    _link(folder, crystals)
    command(folder, *PREPARE, f"data.build.workers={workers}")
    return files_of(folder / "store.zarr")


def _start(folder: Path, crystals: Path, workers: int) -> subprocess.Popen[str]:
    _link(folder, crystals)
    return subprocess.Popen(
        [*PREPARE, f"data.build.workers={workers}"],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, crystals: Path) -> dict[str, bytes]:
    """The files of a store that one process builds."""
    return _built(tmp_path_factory.mktemp("whole"), crystals, 1)


@pytest.mark.parametrize("workers", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_store_does_not_depend_on_the_number_of_processes(
    tmp_path: Path, crystals: Path, whole: dict[str, bytes], workers: int
) -> None:
    assert _built(tmp_path, crystals, workers) == whole


def _written(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))


def _wait_for(files: int, folder: Path, process: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + 200
    while process.poll() is None and _written(folder) < files:
        assert time.monotonic() < limit
        time.sleep(0.001)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.slow
def test_a_killed_build_goes_on_and_ends_the_same(
    tmp_path: Path, crystals: Path, whole: dict[str, bytes], workers: int
) -> None:
    store, partial = tmp_path / "store.zarr", tmp_path / "store.zarr.partial"
    draw = random.Random(workers)
    kills, reached = 0, 0
    for _ in range(3):
        process = _start(tmp_path, crystals, workers)
        _wait_for(_written(partial) + draw.randint(1, 12), partial, process)
        if process.poll() is None:
            process.kill()
            kills += 1
        process.communicate()
        assert _written(partial) >= reached or store.exists(), "what was done is done again"
        reached = _written(partial)
        if store.exists():
            break
        with pytest.raises(UserError, match="half built"):
            PairStore(partial)
    assert kills
    if not store.exists():
        process = _start(tmp_path, crystals, workers)
        _, told = process.communicate(timeout=300)
        assert process.returncode == 0, told
    assert files_of(store) == whole
    assert not partial.exists()


def test_nothing_is_read_again_that_was_screened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(Exception): ...

    def stop(*_):
        raise Stopped

    source = Prototypes(300, 0, "primitive")
    monkeypatch.setattr("phaselearn.data.build.store_build.write_pairs", stop)
    with pytest.raises(Stopped):
        build_store(source, OCTANT, tmp_path / "a.zarr", 30.0, {}, workers=1)
    monkeypatch.undo()
    monkeypatch.setattr(Prototypes, "__iter__", stop)
    stopped = build_store(source, OCTANT, tmp_path / "a.zarr", 30.0, {}, workers=1)
    monkeypatch.undo()
    whole = build_store(source, OCTANT, tmp_path / "b.zarr", 30.0, {}, workers=1)
    assert files_of(stopped.path) == files_of(whole.path)


def test_a_whole_store_on_a_disk_that_can_only_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build() -> PairStore:
        return build_store(Prototypes(20, 0, "primitive"), OCTANT, tmp_path / "a.zarr", 30.0, {}, workers=1)

    def cannot_be_written(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    first = build()
    monkeypatch.setattr(LocalStorage, "lock", cannot_be_written)
    assert len(build()) == len(first)


def test_another_configuration_does_not_go_on_with_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_):
        raise KeyboardInterrupt

    path = tmp_path / "a.zarr"
    monkeypatch.setattr("phaselearn.data.build.store_build.write_pairs", stop)
    with pytest.raises(KeyboardInterrupt):
        build_store(Prototypes(50, 1, "primitive"), OCTANT, path, 30.0, {}, workers=1)
    monkeypatch.undo()
    assert len(build_store(Prototypes(20, 0, "primitive"), OCTANT, path, 30.0, {}, workers=1)) <= 20


@pytest.mark.slow
def test_ctrl_c_ends_every_process_with_one_line(tmp_path: Path, crystals: Path) -> None:
    process = _start(tmp_path, crystals, 2)
    _wait_for(3, tmp_path / "store.zarr.partial", process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert "Ctrl-C" in told


def _end(task: int) -> int:
    if task == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def test_a_worker_that_is_killed_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"killed.*data\.build\.workers=1"):
        list(in_processes(_end, range(8), 2))


def test_tasks_come_back_in_their_order() -> None:
    assert list(in_processes(abs, range(-20, 0), 2)) == list(range(20, 0, -1))
    assert list(in_processes(abs, range(-20, 0), None)) == list(range(20, 0, -1))
    assert list(in_processes(abs, [], 2)) == []
