"""Locks on places of the file system; a holder that is killed releases them."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
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


def waiting_for(holder: Holder | None, doing: str) -> None:
    """Print one line on stderr that names the holder being waited for.

    Raises:
        UserError: the holder is this very thread.
    """
    if holder is not None and holder.is_this_thread:
        raise UserError(f"this process {holder.doing} already: let that end before it {doing} once more")
    print(f"waiting: {_told(holder, doing)}", file=sys.stderr, flush=True)


@contextmanager
def held(file: Path, doing: str) -> Iterator[bool]:
    """Hold a lock, after waiting for another holder to release it; waiting is announced in one line.

    Args:
        file: the lock file. Its folder is created, and the file is removed at the end.
        doing: the holder's work, shown to those who wait, as in "builds pairs.zarr".

    Yields:
        Whether another holder had to be waited for.

    Raises:
        UserError: this thread already holds the lock.
        OSError: the file cannot be created.
    """
    lock = _lock(file)
    waited = not _taken(lock)
    if waited:
        waiting_for(_holder(file), doing)
        lock.acquire()
    with _released(lock, doing):
        yield waited


@contextmanager
def held_alone(file: Path, doing: str, advice: str) -> Iterator[None]:
    """Hold a lock that nobody else holds.

    Args:
        file: the lock file. Its folder is created, and the file is removed at the end.
        doing: the holder's work, shown to those who ask for the lock meanwhile.
        advice: a way out if another process holds the lock, for the error.

    Raises:
        UserError: another process holds the lock.
        OSError: the file cannot be created.
    """
    lock = _lock(file)
    if not _taken(lock):
        raise UserError(f"{_told(_holder(file), doing)}: {advice}")
    with _released(lock, doing):
        yield


def _lock(file: Path) -> FileLock:
    file.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(file)


def _taken(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        print(
            f"warning: {lock.lock_file} cannot be locked ({error.strerror}): see that one process at a time works here",
            file=sys.stderr,
        )
    return True


@contextmanager
def _released(lock: FileLock, doing: str) -> Iterator[None]:
    file = Path(lock.lock_file)
    try:
        # The note goes into the locked file: a file that replaced it would not be locked. Without locks there may be
        # none.
        with suppress(FileNotFoundError), open(file, "r+b") as note:
            note.truncate()
            note.write(Holder.here(doing).encode())
        yield
    finally:
        # The file is removed while the lock is held: others who have opened it see that it is gone, and open a new one.
        file.unlink(missing_ok=True)
        lock.release()


def _told(holder: Holder | None, doing: str) -> str:
    return str(holder) if holder is not None else f"another process {doing}"


def _holder(file: Path) -> Holder | None:
    try:
        return Holder.decode(file.read_bytes())
    except OSError:
        return None
