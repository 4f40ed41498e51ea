"""The build of a store by any number of processes, which share its pieces among themselves.

A piece of work ends with a file. A process claims a piece, does it, and releases the claim when the file is there. The
claim of a killed process becomes free, and another process does its piece. The file is the same whoever writes it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from phaselearn.data.processes import in_processes
from phaselearn.data.store.files import RECIPE
from phaselearn.data.store.recipe import SCHEMA
from phaselearn.data.store.removal import remove
from phaselearn.data.store.storage import Storage
from phaselearn.errors import UserError
from phaselearn.locks import Lock

_LISTED_FOR = 60.0  # seconds after which the files that are there are listed again


class BuildEnded(UserError):
    """Raised when a process wants to go on with a build that another has finished or replaced."""


@dataclass(frozen=True)
class SharedBuild:
    """A store under construction.

    Attributes:
        storage: files of the store under construction.
        recipe: content of its recipe's file, which tells it from other builds.
        workers: number of processes that this process starts, see `in_processes`.
    """

    storage: Storage
    recipe: bytes
    workers: int | None

    def is_on(self) -> bool:
        """Return whether the store is still under construction, neither finished nor replaced by another build."""
        try:
            return self.storage.read(RECIPE) == self.recipe
        except FileNotFoundError:
            return False

    def begin(self) -> None:
        """Begin the build, or go on with what is there of it; what is there of another build is deleted.

        The caller holds the lock of the store's place. Other processes may still take part in that other build.
        """
        if self.is_on():
            return
        if self.storage.sizes():
            # From here on nobody claims a piece of the other build. The pieces that are claimed come to their end.
            self.storage.write(RECIPE, f"{SCHEMA}: deleted".encode())
            claims = [self.storage.claim(name) for name in self.storage.claimed()]
            while claims := [claim for claim in claims if not claim.is_free()]:
                time.sleep(claims[0].pause)
        remove(self.storage)
        self.storage.write(RECIPE, self.recipe)


def piece_key(folder: str, number: int, suffix: str) -> str:
    """Return the key of the file with which a piece ends, see `Pieces`."""
    return f"{folder}/{number:08}{suffix}"


@dataclass
class Pieces:
    """Pieces of work of one kind, numbered from 0 on.

    Iteration does those pieces that nobody else does, and yields the number of each piece, once, when this or another
    process has done it. Pieces that are done at the beginning are not yielded.

    Attributes:
        build: the store under construction.
        folder: folder of the files with which the pieces end.
        suffix: suffix of these files, with its dot.
        tasks: function that returns the task of each piece, in order. It is called again for a piece whose process was
            killed.
        function: function that does the piece of a task, and can be sent to another process.
        done: numbers of the pieces that are done.
    """

    build: SharedBuild
    folder: str
    suffix: str
    tasks: Callable[[], Iterable[Any]]
    function: Callable[[Any], object]
    done: set[int] = field(init=False)
    _mine: deque[tuple[int, Lock]] = field(default_factory=deque, init=False)  # claimed here, in the order of the work
    _others: dict[int, Lock] = field(default_factory=dict, init=False)  # claimed by other processes
    _found: list[int] = field(default_factory=list, init=False)  # done by other processes, and not yielded yet

    def __post_init__(self) -> None:
        self.done = self._listed()

    def __iter__(self) -> Iterator[int]:
        """Work on the pieces, see the class.

        Raises:
            BuildEnded: the store is no longer under construction.
        """
        while True:
            yield from self._work()
            yield from self._wait()
            if not self._others:
                return

    def _work(self) -> Iterator[int]:
        """Do all pieces that no other process has claimed."""
        try:
            with closing(in_processes(self.function, self._claimed(), self.build.workers)) as results:
                for _ in results:
                    number, claim = self._mine.popleft()
                    claim.release()
                    self.done.add(number)
                    yield number
                    yield from self._newly_found()
        finally:
            while self._mine:
                self._mine.popleft()[1].release()
        yield from self._newly_found()

    def _claimed(self) -> Iterator[Any]:
        """Claim one piece after the other, and yield its task."""
        storage, listed = self.build.storage, time.monotonic()
        for number, task in enumerate(self.tasks()):
            if time.monotonic() - listed > _LISTED_FOR:
                self._found += self._listed() - self.done
                self.done.update(self._found)
                listed = time.monotonic()
            if number in self.done:
                continue
            claim = self._others.pop(number, None) or storage.claim(self._key(number).replace("/", "-"))
            if not claim.take():
                self._others[number] = claim
                continue
            self._mine.append((number, claim))
            # Only now it is certain: nobody finishes or replaces a build while a piece that is not done is claimed.
            if not self.build.is_on():
                raise BuildEnded(
                    f"another process has finished or replaced {storage.path}: give the same command again"
                )
            if storage.has(self._key(number)):
                self._mine.pop()
                claim.release()
                self._found.append(number)
                self.done.add(number)
                continue
            yield task

    def _wait(self) -> Iterator[int]:
        """Wait until each piece is done, or one that is not done is free because its process was killed."""
        abandoned = False
        while self._others and not abandoned:
            time.sleep(next(iter(self._others.values())).pause)
            free = [number for number, claim in self._others.items() if claim.is_free()]
            self._found += [number for number in self._others if self.build.storage.has(self._key(number))]
            self.done.update(self._found)
            yield from self._newly_found()
            abandoned = not self.done.issuperset(free)

    def _newly_found(self) -> Iterator[int]:
        found, self._found = self._found, []
        for number in found:
            self._others.pop(number, None)
            yield number

    def _listed(self) -> set[int]:
        keys = self.build.storage.sizes(self.folder)
        return {int(PurePosixPath(key).stem) for key in keys if key.endswith(self.suffix)}

    def _key(self, number: int) -> str:
        return piece_key(self.folder, number, self.suffix)
