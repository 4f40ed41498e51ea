"""Progress of long work: bars on a terminal, and lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TypeVar

from phaselearn.quoting import one_line, printable

T = TypeVar("T")
_shown = True


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
    """A progress bar with rate and remaining time, as a context manager; silent if bars are not drawn.

    Args:
        description: the text before the bar.
        total: number of units of work; None if it is not known.
    """

    def __init__(self, description: str, total: int | None) -> None:
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
        self._task = self._bar.add_task(printable(description), total=total)

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


def track(items: Iterable[T], description: str, total: int | None) -> Iterator[T]:
    """Yield the items under a progress bar."""
    with Progress(description, total) as progress:
        for item in items:
            yield item
            progress.advance()
