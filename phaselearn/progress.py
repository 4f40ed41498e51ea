"""Progress of long work: bars on a terminal, and lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TypeVar

from phaselearn.quoting import one_line, printable

T = TypeVar("T")
_shown = True
_LINE_EVERY = 30.0  # seconds between two lines where there is no bar


def show_progress(shown: bool) -> None:
    """Choose whether this process shows its progress."""
    global _shown
    _shown = shown


def is_watched() -> bool:
    """Return whether bars are drawn: progress is shown, and standard error is a terminal."""
    return _shown and sys.stderr.isatty()


def announce(text: str) -> None:
    """Print a line on standard error, unless progress is not shown."""
    if _shown:
        print(one_line(text), file=sys.stderr, flush=True)


class Progress:
    """A progress bar with rate and remaining time, as a context manager; where bars are not drawn, a line now and then.

    Args:
        description: the text before the bar.
        total: number of units of work; None if it is not known.
        done: number of those that an earlier process did, which say nothing about the rate.
    """

    def __init__(self, description: str, total: int | None, done: int = 0) -> None:
        from rich import progress as rich_progress
        from rich.console import Console
        from rich.text import Text

        class Rate(rich_progress.ProgressColumn):
            def render(self, task: rich_progress.Task) -> Text:
                speed = task.finished_speed or task.speed
                return Text("" if speed is None else f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.2g}/s")

        columns = (
            rich_progress.TextColumn("{task.description}", markup=False),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            Rate(),
            rich_progress.TimeElapsedColumn(),
            rich_progress.TimeRemainingColumn(),
        )
        self._bar = rich_progress.Progress(
            *columns, console=Console(stderr=True), transient=True, disable=not is_watched()
        )
        self._task = self._bar.add_task(printable(description), total=total, completed=done)
        self._description, self._total, self._done, self._earlier = description, total, done, done
        self._began = self._told = time.monotonic()

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, units: int = 1) -> None:
        """Add finished units of work."""
        self._bar.advance(self._task, units)
        self._done += units
        now = time.monotonic()
        if self._done > self._earlier and not is_watched() and now - self._told >= _LINE_EVERY:
            self._told = now
            announce(self._line(now - self._began))

    def _line(self, seconds: float) -> str:
        """Return what is done after so many seconds."""
        if self._total is None:
            return f"{self._description}: {self._done} in {clock(seconds)}"
        left = seconds / (self._done - self._earlier) * (self._total - self._done)
        return f"{self._description}: {self._done} of {self._total} in {clock(seconds)}, about {clock(left)} left"


def clock(seconds: float) -> str:
    """Return a time as text: minutes and seconds, or hours and minutes."""
    if seconds >= 3600:
        return f"{int(seconds) // 3600}:{int(seconds) % 3600 // 60:02d} h"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"


def track(items: Iterable[T], description: str, total: int | None) -> Iterator[T]:
    """Yield the items under a progress bar."""
    with Progress(description, total) as progress:
        for item in items:
            yield item
            progress.advance()
