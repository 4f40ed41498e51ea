"""What run folders hold, read back: configuration, curves, results and crystals."""

from __future__ import annotations

import csv
import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from phaselearn.callbacks.objective import DIRECTION, METRIC
from phaselearn.errors import UserError
from phaselearn.quoting import command, setting
from phaselearn.report.content import FLOOR_METHOD, ResultRow
from phaselearn.report.curves import Curves, read_curves
from phaselearn.report.run import COMMAND_FILE, CRYSTALS_FILE, REPORT_FILE, RESULTS_FILE

CONFIG_FILE = "config.yaml"
METRICS_FILE = "metrics.csv"
PRUNED_FILE = "pruned.txt"  # of a run that a search has given up
# They say nothing of what was trained, or repeat what another key says.
_NOT_SETTINGS = ("data.name", "data.seed", "data.store", "data.store_folder", "evaluation", "logger")


@dataclass(frozen=True)
class RunRecord:
    """A run folder.

    Attributes:
        folder: where it is.
        name: its path below the folder in which it was looked for.
    """

    folder: Path
    name: str

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.yaml as nested dictionaries."""
        try:
            return OmegaConf.to_container(OmegaConf.load(self.folder / CONFIG_FILE))
        except (OSError, OmegaConfBaseException, ValueError) as error:
            raise UserError(
                f"{self.folder / CONFIG_FILE} cannot be read ({type(error).__name__}): leave the folder out, "
                f"e.g. `{command('mv', self.folder, 'elsewhere')}`"
            ) from error

    @cached_property
    def curves(self) -> Curves:
        """Of the training; empty where nothing was logged yet."""
        path = self.folder / METRICS_FILE
        return read_curves(path) if path.exists() else Curves({})

    @cached_property
    def results(self) -> list[ResultRow]:
        """The table of the test; empty for a run that has not come so far."""
        kinds = {"str": str, "int": int, "float": float}
        return [
            ResultRow(**{field.name: kinds[str(field.type)](row[field.name]) for field in fields(ResultRow)})
            for row in _rows(self.folder / RESULTS_FILE)
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
        """Epochs finished."""
        return max((int(series.epochs[-1]) for series in self.curves.series.values() if len(series.epochs)), default=0)

    @property
    def best_correlation(self) -> float:
        """Highest median map correlation of a validation; NaN before the first."""
        return self.best(METRIC, DIRECTION)

    @property
    def objective(self) -> tuple[str, str]:
        """The metric that it was judged by, and its direction."""
        return self.config.get("optimize", METRIC), self.config.get("direction", DIRECTION)

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
        again = command("python train.py", setting("resume", self.folder))
        return path.read_text(encoding="utf-8").strip() if path.exists() else again


def find_runs(folder: Path) -> list[RunRecord]:
    """Return every run in a folder and the folders below, the newest first.

    Raises:
        UserError: no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"folder={folder} is no folder: give the one that holds your runs, e.g. folder=outputs")
    found = []
    for root, folders, files in os.walk(folder):
        if CONFIG_FILE in files and METRICS_FILE in files:
            folders.clear()  # what lies in a run are its evaluations and maps
            name = Path(root).relative_to(folder)
            found.append(RunRecord(Path(root), name.as_posix() if name.parts else folder.name))
        # Stores have thousands of folders and no run.
        folders[:] = [name for name in folders if not name.endswith((".zarr", ".partial"))]
    return sorted(found, key=lambda run: run.last_change, reverse=True)


def differing_settings(runs: Sequence[RunRecord]) -> dict[str, list[str]]:
    """Return the settings in which runs differ: {dotted key: its value in each run, "–" where it has none}.

    Where the class of a part differs, the part itself is named, not each of its options but those that were given.
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
        path = f"{above}{key}"
        if path in _NOT_SETTINGS:
            continue
        if isinstance(value, Mapping):
            flat |= _settings(value, f"{path}.")
        else:
            flat[path] = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return flat


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
