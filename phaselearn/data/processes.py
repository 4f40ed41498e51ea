"""Worker processes that are safe beside torch, and apply one function to many tasks in order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

import torch

from phaselearn.errors import UserError

Task = TypeVar("Task")
Result = TypeVar("Result")

_ALONE = 4.0  # seconds of work before processes, which take about as long to start, are worth it
_AHEAD = 3  # tasks for each process that are handed out before the first result is waited for
_function: Callable[[Any], Any]


def worker_context() -> BaseContext:
    """Return how worker processes are started: never by forking this process, whose threads they would lack."""
    methods = multiprocessing.get_all_start_methods()
    if multiprocessing.get_start_method(allow_none=True) not in (None, *methods):
        # In a job of joblib it is `loky`. A new process takes on the method of its parent, and knows no such method.
        multiprocessing.set_start_method("spawn", force=True)
    if "forkserver" not in methods:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # torch takes seconds to import: once in the server, not once per worker.
    context.set_forkserver_preload(["phaselearn.data.build.store_build", "phaselearn.data.loading.dataset"])
    return context


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int | None
) -> Generator[Result, None, None]:
    """Yield function(task) for each task, in the order of the tasks, on one thread per process.

    Args:
        function: the function; it is pickled once for each process.
        tasks: the tasks; they are read as they are needed, and few are under way at a time.
        workers: number of processes; 1 for this process alone, None for one per core as soon as the work has taken this
            process some seconds.

    Raises:
        UserError: a worker process was killed.
    """
    tasks = iter(tasks)
    if workers is None:
        yield from _alone(function, tasks, _ALONE if cores() > 1 else None)
    elif workers == 1:
        yield from _alone(function, tasks, None)
    yield from _shared(function, tasks, workers or cores())


def _alone(function: Callable[[Task], Result], tasks: Iterator[Task], limit: float | None) -> Iterator[Result]:
    """Work in this process until the tasks end, or until the work has taken `limit` seconds."""
    threads = torch.get_num_threads()
    spent = 0.0
    for task in tasks:
        start = time.perf_counter()
        torch.set_num_threads(1)
        try:
            result = function(task)
        finally:
            torch.set_num_threads(threads)
        spent += time.perf_counter() - start
        yield result
        if limit is not None and spent > limit:
            return


def _shared(function: Callable[[Task], Result], tasks: Iterator[Task], workers: int) -> Iterator[Result]:
    first = next(tasks, _NOTHING)
    if first is _NOTHING:
        return
    pool = ProcessPoolExecutor(workers, worker_context(), _start_worker, (function,))
    try:
        running = deque([pool.submit(_work, first)])
        for task in tasks:
            running.append(pool.submit(_work, task))
            if len(running) >= workers * _AHEAD:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    except BrokenProcessPool as error:
        raise UserError(
            "a worker process was killed, perhaps for lack of memory: give the same command again to continue where it "
            "stopped, with fewer processes, e.g. data.build.workers=1"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_NOTHING: Any = object()


def _start_worker(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function
    torch.set_num_threads(1)
    # Ctrl-C reaches the whole group of processes; the first one ends the others when it has tidied up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, however that ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:  # as it is in every worker
        parent.join()
        os._exit(1)


def _work(task: Any) -> Any:
    return _function(task)
