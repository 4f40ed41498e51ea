"""Processes that build a store, slowly, and note each piece of their work."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from phaselearn.data.build import screen_source, write_pairs
from phaselearn.data.build.store_build import build_store
from phaselearn.data.processes import worker_context
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.store import lease
from phaselearn.data.store.pair_store import PairStore
from tests.conftest import OCTANT

COUNT = 1100  # five blocks and five shards


def built(path: Path | str, count: int = COUNT) -> PairStore:
    """Build a store in this process."""
    return build_store(Prototypes(count, 0, "primitive"), OCTANT, path, 30.0, {"count": count}, workers=1)


def started(count: int, log: Path, path: Path | str) -> list[BaseProcess]:
    """Start processes that build one store together, and write a line when they begin and end a block or a shard."""
    processes = [worker_context().Process(target=_build, args=(str(log), str(path))) for _ in range(count)]
    for process in processes:
        process.start()
    return processes


def lines(log: Path) -> list[tuple[int, str, str]]:
    """Return the process, the step (begun or ended) and the piece (such as `block 3`) of each line."""
    rows = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [(int(process), step, f"{kind} {number}") for process, step, kind, number in rows]


def wait_until(reached: Callable[[], bool]) -> None:
    """Wait until something is so."""
    limit = time.monotonic() + 120
    while not reached():
        assert time.monotonic() < limit
        time.sleep(0.005)


def _build(log: str, path: str) -> None:
    for owner, name, kind in ((screen_source, "_write_block", "block"), (write_pairs, "_build_shard", "shard")):
        setattr(owner, name, _Noted(getattr(owner, name), log, kind))
    # In a bucket a killed process counts as killed sooner.
    lease.RENEWED, lease.FREE_AFTER, lease.ASKED = 0.2, 2.0, 0.05
    built(path)


class _Noted:
    def __init__(self, function: Callable[..., None], log: str, kind: str) -> None:
        self._function, self._log, self._kind = function, log, kind

    def __call__(self, *arguments: Any) -> None:
        task = arguments[-1]
        number = task[0] if self._kind == "block" else task
        self._note("begun", number)
        time.sleep(0.1)
        self._function(*arguments)
        self._note("ended", number)

    def _note(self, step: str, number: int) -> None:
        with open(self._log, "a") as file:
            print(os.getpid(), step, self._kind, number, file=file)
