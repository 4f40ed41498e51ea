"""Files that a stranger could send: pickles that write a canary when loaded, and a secret that must not leak."""

from __future__ import annotations

import pickle
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import pytest

SECRET = "4fe9-that-nobody-may-see"
VARIABLE = "PHASELEARN_TEST_SECRET"


@contextmanager
def one_minute_at_most() -> Iterator[None]:
    """Fail a test whose command waits for ever."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        pytest.fail("the command was still waiting after a minute")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Canary:
    """Its pickle makes a file where it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (str(self.path), "w")


def write_pickle(folder: Path, name: str = "evil.pkl") -> Path:
    """Write a pickle whose canary lies in the same folder."""
    path = folder / name
    path.write_bytes(pickle.dumps(Canary(folder / "canary")))
    return path


def assert_harmless(folder: Path, printed: str) -> None:
    """Nothing ran, and the secret is neither printed nor in any file or name below a folder."""
    assert not list(folder.rglob("*canary*"))
    assert SECRET not in printed
    for path in folder.rglob("*"):
        assert SECRET not in path.name
        assert path.is_symlink() or not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def the_one_line(printed: str) -> str:
    """Return the one line that a command has printed."""
    [line] = [line for line in printed.splitlines() if line.strip()]
    assert line.startswith("error: "), printed
    assert len(line) < 2000
    return line
