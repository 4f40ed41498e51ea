"""Run folders, read back: configuration, curves, results and crystals."""

from __future__ import annotations

import csv
import math
import os
import shlex
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from phaselearn.callbacks.objective import DIRECTION, METRIC
from phaselearn.errors import UserError
from phaselearn.failures import FAILED_FILE, Failure, read_failure
from phaselearn.plain_yaml import read_plain
from phaselearn.quoting import command, one_line, printable, setting
from phaselearn.report.content import FLOOR_METHOD, ResultRow
from phaselearn.report.curves import Curves, read_curves
from phaselearn.report.run import COMMAND_FILE, CRYSTALS_FILE, REPORT_FILE, RESULTS_FILE

CONFIG_FILE = "config.yaml"
METRICS_FILE = "metrics.csv"
PRUNED_FILE = "pruned.txt"  # in the folder of a run that a search has given up
_MOST_BYTES = {METRICS_FILE: 1 << 27, CRYSTALS_FILE: 1 << 28}
_MOST_OF_OTHERS = 1 << 18
_LONGEST_REASON = 300  # characters
_COLUMNS = {field.name: str(field.type) for field in fields(ResultRow)}
# They say nothing of what was trained, or repeat what another key says.
_NOT_SETTINGS = ("data.name", "data.seed", "data.store", "data.build.folder", "evaluation", "logger")


@dataclass(frozen=True)
class RunRecord:
    """A run folder.

    Attributes:
        folder: the run folder.
        name: its path below the folder in which it was looked for.
    """

    folder: Path
    name: str

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.yaml as nested dictionaries."""
        path = self.folder / CONFIG_FILE
        _check_file(path)
        config = read_plain(path)
        if not isinstance(config, dict) or not config:
            raise UserError(f"{CONFIG_FILE} holds no settings")
        return config

    @cached_property
    def curves(self) -> Curves:
        """The curves of the training; empty where nothing was logged yet."""
        path = self.folder / METRICS_FILE
        if not path.exists():
            return Curves({})
        _check_file(path)
        return read_curves(path)

    @cached_property
    def results(self) -> list[ResultRow]:
        """The table of the test; empty for a run that was not tested yet."""
        kinds: dict[str, Callable[[str], Any]] = {"str": printable, "int": int, "float": float}
        rows = _rows(self.folder / RESULTS_FILE)
        # A run that is older than the last column lacks it.
        lacking = [name for row in rows[:1] for name in _COLUMNS if name not in row and name != "failed"]
        if lacking:
            raise UserError(f"{RESULTS_FILE} has no column {', '.join(lacking)}")
        return [
            ResultRow(**{name: kinds[_COLUMNS[name]](row[name]) for name in _COLUMNS if name in row}) for row in rows
        ]

    def result(self, subset: str, floor: bool = False) -> ResultRow | None:
        """Return the network's row on a subset, or the phase-zero floor's."""
        for row in self.results:
            if row.subset == subset and (row.method == FLOOR_METHOD if floor else not row.is_parameter_free):
                return row
        return None

    def crystals(self) -> dict[str, dict[str, str]]:
        """Return the judgements of the network's test crystals by their id, as crystals.csv has them."""
        network = self.result("all")
        return {
            row["id"]: row
            for row in _rows(self.folder / CRYSTALS_FILE)
            if network is not None and row["method"] == network.method
        }

    @property
    def epochs(self) -> int:
        """The number of epochs finished."""
        return max((int(series.epochs[-1]) for series in self.curves.series.values() if len(series.epochs)), default=0)

    @property
    def best_correlation(self) -> float:
        """Highest median map correlation of a validation; NaN before the first."""
        return self.best(METRIC, DIRECTION)

    @property
    def objective(self) -> tuple[str, str]:
        """The metric that it was judged by, and its direction."""
        return printable(self.config.get("optimize", METRIC)), self.config.get("direction", DIRECTION)

    def class_of(self, part: str) -> str:
        """Return the name of the class of a part of the configuration, such as `model`; a dash if it has none."""
        node = self.config.get(part)
        return printable(node.get("_target_", "–") if isinstance(node, dict) else "–").rpartition(".")[2]

    @property
    def data_name(self) -> str:
        """The name of its data configuration; a dash where it has none."""
        node = self.config.get("data")
        return printable(node.get("name", "–") if isinstance(node, dict) else "–")

    @cached_property
    def failure(self) -> Failure | None:
        """The failure that a job of a multirun left; None for any other run."""
        return read_failure(self.folder)

    def best(self, metric: str, direction: str) -> float:
        """Return the best value of a metric over the validations; NaN before the first."""
        values = [value for value in self.curves[metric].values.tolist() if math.isfinite(value)]
        return {"max": max, "min": min}[direction](values, default=math.nan)

    @property
    def is_finished(self) -> bool:
        """Whether it was tested."""
        return bool(self.results)

    @property
    def is_pruned(self) -> bool:
        """Whether a search has given it up."""
        return (self.folder / PRUNED_FILE).exists()

    @property
    def last_change(self) -> float:
        """When its files last changed, in seconds since 1970."""
        return max((file.stat().st_mtime for file in self.folder.iterdir() if file.is_file()), default=0.0)

    @property
    def page(self) -> Path | None:
        """Its report; None before there is one."""
        path = self.folder / REPORT_FILE
        return path if path.exists() else None

    @property
    def command(self) -> str:
        """The command that trains it again."""
        path = self.folder / COMMAND_FILE
        if not path.exists():
            return command("python train.py", setting("resume", self.folder))
        _check_file(path)
        return one_line(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class BrokenRun:
    """A run folder that cannot be shown.

    Attributes:
        name: its name, as in `RunRecord`.
        reason: why it cannot be shown, on one line.
        last_change: when its files last changed, in seconds since 1970.
    """

    name: str
    reason: str
    last_change: float


def find_runs(folder: Path) -> tuple[list[RunRecord], list[BrokenRun]]:
    """Return the runs in a folder and the folders below it, and those that cannot be read; both newest first.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"folder={folder} is no folder: give the one that holds your runs, e.g. folder=outputs")
    found: list[RunRecord] = []
    broken: list[BrokenRun] = []
    for root, folders, files in os.walk(folder):
        if FAILED_FILE in files or (CONFIG_FILE in files and METRICS_FILE in files):
            folders.clear()  # what lies in a run are its evaluations and maps
            name = Path(root).relative_to(folder)
            run = RunRecord(Path(root), printable(name.as_posix() if name.parts else folder.name))
            reason = why_broken(run)
            if reason is None:
                found.append(run)
            else:
                broken.append(BrokenRun(run.name, reason, _changed(run)))
        # Stores have thousands of folders and no run.
        folders[:] = [name for name in folders if not name.endswith((".zarr", ".partial"))]
    found.sort(key=lambda run: run.last_change, reverse=True)
    broken.sort(key=lambda run: run.last_change, reverse=True)
    return found, broken


def why_broken(run: RunRecord) -> str | None:
    """Return why a run cannot be shown, on one line; None where it can.

    A folder may be anybody's, so any exception that reading it raises is a reason.
    """
    try:
        if run.failure is not None and not ((run.folder / CONFIG_FILE).exists()):
            return f"failed: {run.failure.reason}"
        if run.objective[1] not in ("max", "min"):
            return f"{CONFIG_FILE}: direction={run.config['direction']} is neither max nor min"
        _settings(run.config)
        shlex.split(run.command)
        _ = run.curves, run.results, run.last_change
    except Exception as error:
        said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        return one_line(said)[:_LONGEST_REASON]
    return None


def _changed(run: RunRecord) -> float:
    try:
        return run.last_change
    except OSError:
        return 0.0


def differing_settings(runs: Sequence[RunRecord]) -> dict[str, list[str]]:
    """Return the settings in which runs differ: {dotted key: its value in each run, "–" where it has none}.

    Where the class of a part differs, the part itself stands for its options, but for those that a command gave.
    """
    flat = [_settings(run.config) for run in runs]
    keys = dict.fromkeys(key for settings in flat for key in settings)
    different = {key: [settings.get(key, "–") for settings in flat] for key in keys}
    different = {key: values for key, values in different.items() if len(set(values)) > 1}
    classes = [key.removesuffix("._target_") for key in different if key.endswith("._target_")]
    outermost = [part for part in classes if not any(part.startswith(f"{other}.") for other in classes)]
    named = {part: [value.rpartition(".")[2] for value in different[f"{part}._target_"]] for part in outermost}
    within = tuple(f"{part}." for part in outermost)
    given = {argument.partition("=")[0].lstrip("+") for run in runs for argument in shlex.split(run.command)}
    return named | {key: values for key, values in different.items() if not key.startswith(within) or key in given}


def _settings(config: Mapping[str, Any], above: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in config.items():
        path = f"{above}{printable(key)}"
        if path in _NOT_SETTINGS:
            continue
        if isinstance(value, Mapping):
            flat |= _settings(value, f"{path}.")
        elif value is None:
            flat[path] = "null"
        else:
            flat[path] = str(value).lower() if isinstance(value, bool) else printable(value)
    return flat


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    _check_file(path)
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _check_file(path: Path) -> None:
    """Refuse a file that a reader would wait for, or that would fill the memory.

    Raises:
        UserError: it is no regular file, or too large.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"{path.name} is no regular file")
    if found.st_size > _MOST_BYTES.get(path.name, _MOST_OF_OTHERS):
        raise UserError(f"{path.name} has {found.st_size:,} bytes: no run writes a file of this size")
