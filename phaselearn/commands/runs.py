"""`phaselearn runs`: what was trained here and what came of it, and two runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback

from phaselearn.commands.application import CONFIG_FILE, run_application

if TYPE_CHECKING:
    from omegaconf import DictConfig

MULTIRUN_PAGE = "multirun.html"


def main() -> None:
    """Run the command."""
    run_application("runs", _runs)


class MultirunPage(Callback):
    """Hydra callback: after a multirun, its runs in one table and on one page in its folder."""

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Write the page."""
        folder = Path(config.hydra.sweep.dir)
        _list(folder, folder / MULTIRUN_PAGE, f"Multirun {folder.name}")


def _runs(config: DictConfig) -> None:
    from phaselearn.commands.session import check
    from phaselearn.errors import UserError

    check(config, "runs")
    if not config.compare:
        folder = Path(config.folder)
        _list(folder, Path(config.page or folder / "index.html"), f"Runs in {config.folder}")
        return
    if isinstance(config.compare, str) or len(config.compare) != 2:
        raise UserError(
            f"compare={config.compare}: two run folders are needed, e.g. compare=[outputs/ONE,outputs/OTHER]"
        )
    _compare([Path(str(name)) for name in config.compare], config.page)


def _list(folder: Path, page: Path, title: str) -> None:
    from rich.console import Console

    from phaselearn.errors import UserError
    from phaselearn.report.run_records import find_runs
    from phaselearn.report.runs_page import best_run, terminal_table, write_runs_page

    runs = find_runs(folder)
    if not runs:
        raise UserError(f"folder={folder} holds no run: train one with `python train.py`, or give another folder")
    Console().print(terminal_table(runs))
    write_runs_page(page, title, runs)
    best = best_run(runs)
    if best is not None:
        print(f"best:   {best.command}")
    print(f"page:   {page}")


def _compare(folders: list[Path], page: str | None) -> None:
    from rich.console import Console

    from phaselearn.errors import UserError
    from phaselearn.report.run_comparison import terminal_tables, write_comparison_page
    from phaselearn.report.run_records import RunRecord

    for folder in folders:
        if not (folder / CONFIG_FILE).is_file():
            raise UserError(f"compare: {folder} is not a run folder (it has no {CONFIG_FILE}): see `phaselearn runs`")
    first, second = (RunRecord(folder, folder.name) for folder in folders)
    path = Path(page or folders[1].parent / f"comparison_{first.name}_{second.name}.html")
    write_comparison_page(path, first, second)
    for table in terminal_tables(first, second):
        Console().print(table)
    print(f"page:   {path}")
