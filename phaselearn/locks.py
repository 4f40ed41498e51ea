"""Locks that several processes wait for; a holder that is killed releases them."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from phaselearn.errors import UserError

# The errors of a file system without locks, such as NFS without its lock daemon.
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)


@dataclass(frozen=True)
class Holder:
    """The holder of a lock.

    Attributes:
        process, thread, machine: where the holder runs.
        doing: the holder's work, as in "builds pairs.zarr".
        since: date and time, to the second, from which it holds the lock.
    """

    process: int
    thread: int
    machine: str
    doing: str
    since: str

    @classmethod
    def here(cls, doing: str) -> Holder:
        """Return the calling thread as a holder."""
        now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        return cls(os.getpid(), threading.get_ident(), socket.gethostname(), doing, now)

    @property
    def is_this_thread(self) -> bool:
        """Whether the holder is the calling thread, which would wait for itself."""
        here = self.here("")
        return (self.process, self.thread, self.machine) == (here.process, here.thread, here.machine)

    def __str__(self) -> str:
        told = f"another process ({self.process} on {self.machine}) {self.doing} since {self.since}"
        return "".join(character if character.isprintable() else "?" for character in told)

    def encode(self) -> bytes:
        """Return the holder as the content of a lock file."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, content: bytes) -> Holder | None:
        """Return the holder that a lock file names; None if it names none."""
        try:
            return cls(**json.loads(content))
        except (ValueError, TypeError):
            return None


class Lock(ABC):
    """A lock that one thread of all processes holds at a time; the lock of a killed process becomes free.

    Attributes:
        doing: the holder's work, which is shown to those who wait, as in "builds pairs.zarr".
        pause: seconds between two attempts of those who wait.
    """

    doing: str
    pause: float

    @abstractmethod
    def take(self) -> bool:
        """Take the lock if it is free, and return whether it was."""

    @abstractmethod
    def holder(self) -> Holder | None:
        """Return the holder; None if the lock is free or names none."""

    @abstractmethod
    def release(self) -> None:
        """Release the lock, which this thread holds."""

    def is_free(self) -> bool:
        """Return whether nobody holds the lock, after removing what a killed holder left of it."""
        free = self.take()
        if free:
            self.release()
        return free


class LockFile(Lock):
    """A lock on a file; its folder is created, and the file is removed at the end.

    Args:
        file: the lock file.
        doing: the holder's work, which is shown to those who wait, as in "builds pairs.zarr".

    Raises:
        OSError: the file cannot be created (when the lock is taken).
    """

    pause = 0.05

    def __init__(self, file: Path, doing: str) -> None:
        self.doing = doing
        self._file = file
        self._lock = FileLock(file)

    def take(self) -> bool:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            # In some folders, such as /proc, filelock takes a file that cannot be created for one that is held.
            if not self._file.exists():
                self._file.touch()
            return False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            _warn_of_no_locks(self._file.parent, error.strerror)
        # The note goes into the locked file: a file that replaced it would not be locked. Without locks there may be
        # none.
        try:
            with suppress(FileNotFoundError), open(self._file, "r+b") as note:
                note.truncate()
                note.write(Holder.here(self.doing).encode())
        except BaseException:
            self.release()
            raise
        return True

    def holder(self) -> Holder | None:
        try:
            return Holder.decode(self._file.read_bytes())
        except OSError:
            return None

    def release(self) -> None:
        # The file is removed while the lock is held: others who have opened it see that it is gone, and open a new one.
        self._file.unlink(missing_ok=True)
        self._lock.release()


@contextmanager
def held(lock: Lock, meanwhile: Iterable[None] = ()) -> Iterator[bool]:
    """Hold a lock, after waiting for another holder to release it; waiting is announced in one line.

    Args:
        lock: the lock.
        meanwhile: work for the time of waiting. It yields whenever there is nothing to do.

    Yields:
        Whether another holder had to be waited for.

    Raises:
        UserError: this thread already holds the lock.
        OSError: the lock cannot be taken nor waited for.
    """
    waited = told = False
    work = iter(meanwhile)
    while not lock.take():
        holder = lock.holder()
        if holder is not None and holder.is_this_thread:
            raise UserError(f"this process {holder.doing} already: let that end before it {lock.doing} once more")
        waited = True
        next(work, None)
        if not told:
            print(f"waiting: {_told(lock)}", file=sys.stderr, flush=True)
            told = True
        time.sleep(lock.pause)
    try:
        yield waited
    finally:
        lock.release()


@contextmanager
def held_alone(lock: Lock, advice: str) -> Iterator[None]:
    """Hold a lock that nobody else holds.

    Args:
        lock: the lock.
        advice: a way out if another process holds the lock, for the error.

    Raises:
        UserError: another process holds the lock.
        OSError: the lock cannot be taken.
    """
    if not lock.take():
        raise UserError(f"{_told(lock)}: {advice}")
    try:
        yield
    finally:
        lock.release()


def _told(lock: Lock) -> str:
    holder = lock.holder()
    return str(holder) if holder is not None else f"another process {lock.doing}"


@cache
def _warn_of_no_locks(folder: Path, why: str) -> None:
    print(
        f"warning: nothing in {folder} can be locked ({why}): see that one process at a time works here",
        file=sys.stderr,
    )
