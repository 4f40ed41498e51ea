"""The end of `phaselearn solve` on several crystals: one table of all outcomes, and one exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback

from phaselearn.commands.application import fail
from phaselearn.commands.multirun import fixed_keys
from phaselearn.quoting import printable

if TYPE_CHECKING:
    from omegaconf import DictConfig


class SolvedTable(Callback):
    """Hydra callback that prints and writes the outcomes of a multirun.

    The exit code is 2 where a job failed, else 1 where a crystal is not solved, else 0.
    """

    def on_multirun_end(self, config: DictConfig, **more: Any) -> None:
        """Print the table, and write it and the page."""
        from rich.console import Console

        from phaselearn.report.solved_crystals import find_solved, terminal_table, write_solved

        folder = Path(config.hydra.sweep.dir)
        crystals = find_solved(folder, fixed_keys(config))
        Console().print(terminal_table(crystals))
        print(f"page:   {printable(write_solved(folder, crystals))}")
        failed = [crystal for crystal in crystals if crystal.verdict == "failed"]
        if failed:
            fail(f"{len(failed)} of {len(crystals)} jobs failed; the first because {failed[0].reason}")
        if any(crystal.verdict != "solved" for crystal in crystals):
            raise SystemExit(1)
