"""Runs as recorded in their folders, and the settings in which they differ."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phaselearn.failures import Failure
from phaselearn.metrics.default import DIRECTION, METRIC
from phaselearn.quoting import printable
from phaselearn.report.curves import Curves
from phaselearn.report.option_names import name_of
from phaselearn.report.results import FLOOR_METHOD, ResultRow

# These keys say nothing about what was trained, or repeat another key.
_NOT_SETTINGS = ("data.name", "data.seed", "data.store", "data.build.folder", "evaluation", "logger")


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run.

    Attributes:
        folder: the run folder.
        name: its path below the folder that was searched for runs.
        config: config.yaml as nested dictionaries.
        options: the options that it is made of, {group: option}.
        curves: training curves; empty if nothing was logged yet.
        results: table of the test; empty for a run that was not tested yet.
        command: the command that trains it again.
        failure: the note of a failed job of a multirun; None for any other run.
        is_pruned: whether a search has given it up.
        page: its report; None before it is written.
        last_change: time of the last change of its files, in seconds since 1970.
    """

    folder: Path
    name: str
    config: dict[str, Any]
    options: dict[str, str]
    curves: Curves
    results: list[ResultRow]
    command: str
    failure: Failure | None
    is_pruned: bool
    page: Path | None
    last_change: float

    def result(self, subset: str, floor: bool = False) -> ResultRow | None:
        """Return the network's row on a subset, or the phase-zero floor's."""
        for row in self.results:
            if row.subset == subset and (row.method == FLOOR_METHOD if floor else not row.is_reference):
                return row
        return None

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

    def option(self, group: str) -> str:
        """Return the option of a group, `model` or `loss`: see `name_of`."""
        return name_of(group, self.options, self.config)

    @property
    def data_name(self) -> str:
        """The name of its data configuration; a dash if it has none."""
        return printable(self._node("data").get("name", "–"))

    def _node(self, key: str) -> Mapping[str, Any]:
        node = self.config.get(key)
        return node if isinstance(node, Mapping) else {}

    @property
    def validation(self) -> str:
        """A text that two runs share if the same crystals validated them, with data of the same kind."""
        settings = settings_of(self.config)
        store = self._node("data").get("store")
        kinds = ("data.definition", "data.build.longest_edge", "observation", "trainer.limit_val_batches")
        parts = kinds if store is not None else (*kinds, "source")
        shared = {key: value for key, value in settings.items() if key.startswith(parts)}
        return f"{store} {sorted(shared.items())}"

    def best(self, metric: str, direction: str) -> float:
        """Return the best value of a metric over the validations; NaN before the first."""
        values = [value for value in self.curves[metric].values.tolist() if math.isfinite(value)]
        return {"max": max, "min": min}[direction](values, default=math.nan)

    @property
    def is_finished(self) -> bool:
        """Whether it was tested."""
        return bool(self.results)


@dataclass(frozen=True)
class BrokenRun:
    """A run folder that cannot be shown.

    Attributes:
        name: its name, as in `RunRecord`.
        reason: the reason why it cannot be shown, on one line.
        last_change: time of the last change of its files, in seconds since 1970.
    """

    name: str
    reason: str
    last_change: float


def differing_settings(runs: Sequence[RunRecord]) -> dict[str, list[str]]:
    """Return the settings in which runs differ: {dotted key: its value in each run, "–" if it has none}.

    If the class of a part differs, its option is listed, or its class, instead of its settings; settings that a run's
    command names are listed, too.
    """
    flat = [settings_of(run.config) for run in runs]
    keys = dict.fromkeys(key for settings in flat for key in settings)
    different = {key: [settings.get(key, "–") for settings in flat] for key in keys}
    different = {key: values for key, values in different.items() if len(set(values)) > 1}
    classes = [key.removesuffix("._target_") for key in different if key.endswith("._target_")]
    outermost = [part for part in classes if not any(part.startswith(f"{other}.") for other in classes)]
    named = {
        part: [
            run.options.get(part) or value.rpartition(".")[2]
            for run, value in zip(runs, different[f"{part}._target_"], strict=True)
        ]
        for part in outermost
    }
    within = tuple(f"{part}." for part in outermost)
    given = {argument.partition("=")[0].lstrip("+") for run in runs for argument in shlex.split(run.command)}
    return named | {key: values for key, values in different.items() if not key.startswith(within) or key in given}


def settings_of(config: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Return the settings of a configuration that say what was trained: {dotted key: its value as written}."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        path = f"{above}{printable(key)}"
        if path in _NOT_SETTINGS:
            continue
        if isinstance(value, Mapping):
            flat |= settings_of(value, f"{path}.")
        elif value is None:
            flat[path] = "null"
        else:
            flat[path] = str(value).lower() if isinstance(value, bool) else printable(value)
    return flat
