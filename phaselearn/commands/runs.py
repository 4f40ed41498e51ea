"""`phaselearn runs`: the runs in a folder and their results, and two runs side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback

from phaselearn.commands.application import fail, run_application
from phaselearn.commands.multirun import fixed_keys
from phaselearn.errors import UserError
from phaselearn.failures import FAILED_FILE, Failure, read_failure
from phaselearn.quoting import printable
from phaselearn.report.run_files import CONFIG_FILE

if TYPE_CHECKING:
    from omegaconf import DictConfig

MULTIRUN_PAGE = "multirun.html"


def main() -> None:
    """Run the command."""
    run_application("runs", _runs)


class MultirunPage(Callback):
    """Hydra callback that lists the runs of a multirun in a table and on a page, and says which have failed."""

    def on_multirun_start(self, config: DictConfig, **more: Any) -> None:
        """Remember the failures that are in the folder already, since a search may continue in it."""
        self._earlier = _failures(Path(config.hydra.sweep.dir))

    def on_multirun_end(self, config: DictConfig, **more: Any) -> None:
        """Write the page; exit with code 2 if a job has failed."""
        folder = Path(config.hydra.sweep.dir)
        page = folder / MULTIRUN_PAGE
        try:
            jobs = _list(folder, page, f"Multirun {folder.name}")
        except UserError as error:
            # Hydra turns an exception of a callback into a warning.
            fail(str(error))
        failed = {name: failure for name, failure in _failures(folder).items() if self._earlier.get(name) != failure}
        if failed:
            fixed = fixed_keys(config)
            names = ", ".join(
                f"{name} ({choices})" if (choices := failure.choices(fixed)) else name
                for name, (failure, _) in failed.items()
            )
            first = next(failure for failure, _ in failed.values())
            fail(f"{len(failed)} of {jobs} jobs failed: {names}; the first because {first.reason}; see {page}")


def _failures(folder: Path) -> dict[str, tuple[Failure, int]]:
    """Return the note of each failed job of a multirun, and its time in ns, by the name of the job's folder."""
    found = sorted(folder.glob(f"*/{FAILED_FILE}"), key=lambda path: (len(path.parent.name), path.parent.name))
    notes = {path.parent.name: (read_failure(path.parent), path.stat().st_mtime_ns) for path in found}
    return {name: (failure, when) for name, (failure, when) in notes.items() if failure is not None}


def _runs(config: DictConfig) -> None:
    from phaselearn.commands.settings import check

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


def _list(folder: Path, page: Path, title: str) -> int:
    """Print and write the table of the runs in a folder; return their number, unreadable ones included."""
    from rich.console import Console

    from phaselearn.report.run_folders import find_runs
    from phaselearn.report.runs_page import best_runs, problems_table, terminal_table, write_runs_page

    runs, broken = find_runs(folder)
    if not runs and not broken:
        raise UserError(f"folder={folder} holds no run: train one with `phaselearn train`, or give another folder")
    if runs:
        Console().print(terminal_table(runs))
    if problems := problems_table(runs, broken):
        Console().print(problems)
    with _writing(page):
        write_runs_page(page, title, runs, broken)
    for label, best in best_runs(runs).items():
        print(f"{label}: ".ljust(8) + best.command)
    print(f"page:   {printable(page)}")
    return len(runs) + len(broken)


def _compare(folders: list[Path], page: str | None) -> None:
    from rich.console import Console

    from phaselearn.report.run_comparison import terminal_tables, write_comparison_page
    from phaselearn.report.run_folders import read_run
    from phaselearn.report.run_records import RunRecord

    for folder in folders:
        if not (folder / CONFIG_FILE).is_file():
            raise UserError(f"compare: {folder} is not a run folder (it has no {CONFIG_FILE}): see `phaselearn runs`")
    runs: list[RunRecord] = []
    names = _short_names(*folders)
    for folder, name in zip(folders, names, strict=True):
        run = read_run(folder, name)
        if not isinstance(run, RunRecord):
            raise UserError(f"compare: {folder} cannot be read ({run.reason}): take another run, see `phaselearn runs`")
        runs.append(run)
    first, second = runs
    path = Path(page or folders[1].parent / f"comparison_{'_'.join(names).replace('/', '_')}.html")
    with _writing(path):
        write_comparison_page(path, first, second)
    for table in terminal_tables(first, second):
        Console().print(table)
    print(f"page:   {printable(path)}")


def _short_names(first: Path, second: Path) -> list[str]:
    """Return the last parts of two paths, as many as tell them apart: jobs of two sweeps have the same last one."""
    parts = [folder.absolute().parts for folder in (first, second)]
    count = next((count for count in range(1, min(map(len, parts))) if parts[0][-count:] != parts[1][-count:]), 1)
    return ["/".join(each[-count:]) for each in parts]


@contextmanager
def _writing(page: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"the page {page} cannot be written ({error.strerror}): give another place, e.g. "
            "`phaselearn runs page=runs.html`"
        ) from error
