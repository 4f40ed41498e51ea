"""Run folders, found and read."""

from __future__ import annotations

import csv
import os
import shlex
import stat
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from phaselearn.errors import UserError
from phaselearn.failures import FAILED_FILE, read_failure
from phaselearn.plain_yaml import read_plain
from phaselearn.quoting import command, one_line, printable, setting
from phaselearn.report.curves import Curves, read_curves
from phaselearn.report.option_names import OPTIONS_FILE, read_options
from phaselearn.report.results import ResultRow
from phaselearn.report.run_files import COMMAND_FILE, CONFIG_FILE, CRYSTALS_FILE, REPORT_FILE, RESULTS_FILE
from phaselearn.report.run_records import BrokenRun, RunRecord, settings_of

METRICS_FILE = "metrics.csv"
PRUNED_FILE = "pruned.txt"  # in the folder of a run that a search has given up
_MOST_BYTES = {METRICS_FILE: 1 << 27, CRYSTALS_FILE: 1 << 28}
_MOST_OF_OTHERS = 1 << 18
_LONGEST_REASON = 300  # characters
_COLUMNS = {field.name: str(field.type) for field in fields(ResultRow)}
_REQUIRED = [field.name for field in fields(ResultRow) if field.default is MISSING]


def find_runs(folder: Path) -> tuple[list[RunRecord], list[BrokenRun]]:
    """Return the runs in a folder and the folders below it, and those that cannot be read; both newest first.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"folder={folder} is not a folder: give the one that holds your runs, e.g. folder=outputs")
    found: list[RunRecord] = []
    broken: list[BrokenRun] = []
    for root, folders, files in os.walk(folder):
        if FAILED_FILE in files or (CONFIG_FILE in files and METRICS_FILE in files):
            folders.clear()  # folders in a run are its evaluations and maps
            name = Path(root).relative_to(folder)
            run = read_run(Path(root), name.as_posix() if name.parts else folder.name)
            if isinstance(run, RunRecord):
                found.append(run)
            else:
                broken.append(run)
        # Stores have thousands of folders and no run.
        folders[:] = [name for name in folders if not name.endswith((".zarr", ".partial"))]
    found.sort(key=lambda run: run.last_change, reverse=True)
    broken.sort(key=lambda run: run.last_change, reverse=True)
    return found, broken


def read_run(folder: Path, name: str) -> RunRecord | BrokenRun:
    """Return the run in a folder, or the reason why it cannot be shown.

    Args:
        folder: the run folder. It may come from anybody, so any exception while reading it is such a reason.
        name: the run's name; control characters in it are replaced.
    """
    try:
        return _read(folder, printable(name))
    except Exception as error:
        said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        return BrokenRun(printable(name), one_line(said)[:_LONGEST_REASON], _last_change(folder))


def _read(folder: Path, name: str) -> RunRecord:
    failure = read_failure(folder)
    if failure is not None and not (folder / CONFIG_FILE).exists():
        raise UserError(f"failed: {failure.reason}")
    page = folder / REPORT_FILE
    run = RunRecord(
        folder=folder,
        name=name,
        config=_config(folder),
        options=_options(folder),
        curves=_curves(folder),
        results=_results(folder),
        command=command_of(folder),
        failure=failure,
        is_pruned=(folder / PRUNED_FILE).exists(),
        page=page if page.exists() else None,
        last_change=_last_change(folder),
    )
    if run.objective[1] not in ("max", "min"):
        raise UserError(f"{CONFIG_FILE}: direction={run.config['direction']} is neither max nor min")
    settings_of(run.config)
    shlex.split(run.command)
    return run


def _config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG_FILE
    _check_file(path)
    config = read_plain(path)
    if not isinstance(config, dict) or not config:
        raise UserError(f"{CONFIG_FILE} holds no settings")
    return config


def _options(folder: Path) -> dict[str, str]:
    path = folder / OPTIONS_FILE
    if path.exists():
        _check_file(path)
    return read_options(path)


def _curves(folder: Path) -> Curves:
    path = folder / METRICS_FILE
    if not path.exists():
        return Curves({})
    _check_file(path)
    return read_curves(path)


def _results(folder: Path) -> list[ResultRow]:
    kinds: dict[str, Callable[[str], Any]] = {"str": printable, "int": int, "float": float}
    rows = _rows(folder / RESULTS_FILE)
    # Columns with a default came later, and older runs lack them.
    lacking = [name for row in rows[:1] for name in _REQUIRED if name not in row]
    if lacking:
        raise UserError(f"{RESULTS_FILE} has no column {', '.join(lacking)}")
    return [ResultRow(**{name: kinds[_COLUMNS[name]](row[name]) for name in _COLUMNS if name in row}) for row in rows]


def command_of(folder: Path) -> str:
    """Return the command that trains the run in a folder again."""
    path = folder / COMMAND_FILE
    if not path.exists():
        return command("phaselearn train", setting("resume", folder))
    _check_file(path)
    return one_line(path.read_text(encoding="utf-8"))


def crystals_of(run: RunRecord) -> dict[str, dict[str, str]]:
    """Return the judgements of the network's test crystals by their id, as crystals.csv has them."""
    network = run.result("all")
    if network is None:
        return {}
    return {row["id"]: row for row in _rows(run.folder / CRYSTALS_FILE) if row["method"] == network.method}


def _last_change(folder: Path) -> float:
    try:
        return max((file.stat().st_mtime for file in folder.iterdir() if file.is_file()), default=0.0)
    except OSError:
        return 0.0


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    _check_file(path)
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _check_file(path: Path) -> None:
    """Refuse a file that a reader would wait for, or that would fill the memory.

    Raises:
        UserError: the file is not a regular one, or it is too large.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"{path.name} is not a regular file")
    if found.st_size > _MOST_BYTES.get(path.name, _MOST_OF_OTHERS):
        raise UserError(f"{path.name} has {found.st_size:,} bytes: no run writes a file of this size")
