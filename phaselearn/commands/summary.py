"""The summary that a run prints at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from phaselearn.quoting import command, printable, setting

if TYPE_CHECKING:
    from phaselearn.callbacks.objective import Objective
    from phaselearn.report.results import ResultRow


def print_summary(folder: Path, rows: Sequence[ResultRow], quiet: bool) -> None:
    """Print the results if there are any, the page if there is one, and the run folder; if quiet, the folder alone."""
    if quiet:
        print(printable(folder))
        return
    from rich.console import Console

    from phaselearn.report.run_files import REPORT_FILE
    from phaselearn.report.terminal import results_table

    if rows:
        Console().print(results_table(rows))
    # Paths are printed whole: a wrapped path cannot be clicked or copied.
    if (folder / REPORT_FILE).exists():
        print(f"page:   {printable(folder / REPORT_FILE)}")
    print(f"folder: {printable(folder)}")


def print_training(
    folder: Path, weights: str, objective: Objective, trained: str, seconds: float | None, longer: Sequence[str]
) -> None:
    """Print the result and the cost of training, and the commands that continue from it.

    Args:
        folder: the run folder.
        weights: the weights that were judged, such as best.ckpt.
        objective: the metric by which the run was judged while it trained.
        trained: epochs, crystals and time of training.
        seconds: the time that judging and the page took; None if nothing was judged.
        longer: further settings of the printed command that continues training.
    """
    from phaselearn.callbacks.peak_memory import peak_memory

    if objective.best is not None:
        floor = "" if objective.floor is None else f" (phase zero {objective.floor:.3f})"
        epoch = "" if objective.epoch is None else f" in epoch {objective.epoch + 1}"
        print(f"best:   {objective.metric} {objective.best:.3f}{floor}{epoch}")
        if objective.floor is not None and objective.best <= objective.floor:
            print("        no better than the map with every phase 0: it needs more epochs or more crystals")
    judged = "" if seconds is None else f"{seconds:.0f} s to judge {weights}, "
    print(f"took:   {trained}, {judged}at most {peak_memory():.0f} MiB of memory")
    print(f"more:   {command('phaselearn train', setting('resume', folder), *longer)}")
    print(f"{'judge: ' if seconds is None else 'again: '} {command('phaselearn evaluate', setting('run', folder))}")
