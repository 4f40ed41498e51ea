"""The command that is running, for errors of lower layers: they name what their user should type."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from phaselearn.quoting import command

_running: ContextVar[str] = ContextVar("running", default="phaselearn prepare")


@contextmanager
def running_as(begun: str) -> Iterator[None]:
    """Let errors name a command meanwhile, such as `phaselearn predict run=outputs/FOLDER`."""
    before = _running.set(begun)
    try:
        yield
    finally:
        _running.reset(before)


def same_command(*words: str) -> str:
    """Return the command that is running with these arguments, quoted; `phaselearn prepare` where none is."""
    return command(_running.get(), *words)
