"""metrics.csv of a run folder, which is replaced in one step and continued when a run is resumed."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from phaselearn.files import write_csv
from phaselearn.tracking.tracker import Tracker


class _ContinuedWriter(ExperimentWriter):
    """Keeps every row, and replaces the file in one step; Lightning's writer deletes an earlier file."""

    metrics: list[dict[str, Any]]  # rows that were read from a file stay text

    def __init__(self, log_dir: str) -> None:
        super().__init__(log_dir=log_dir)
        if Path(self.metrics_file_path).exists():
            with open(self.metrics_file_path, newline="") as file:
                self.metrics = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]

    def _check_log_dir_exists(self) -> None:
        """Leave earlier files alone."""

    def rewind(self, epoch: int) -> None:
        """Forget the rows from an epoch on, since they will be computed again."""
        self.metrics = [row for row in self.metrics if int(float(row.get("epoch", 0))) < epoch]

    def save(self) -> None:
        """Replace metrics.csv with all rows so far."""
        if not self.metrics:
            return
        self._record_new_keys()
        write_csv(Path(self.metrics_file_path), self.metrics, self.metrics_keys)


class ContinuedCSVLogger(CSVLogger, Tracker):
    """Lightning's CSVLogger with metrics.csv in `save_dir` itself; a resumed run loses nothing.

    Args:
        save_dir: the run folder.
        flush_logs_every_n_steps: number of steps after which the file is replaced.
    """

    _experiment: _ContinuedWriter | None

    def __init__(self, save_dir: str, flush_logs_every_n_steps: int = 100) -> None:
        super().__init__(save_dir, name="", version="", flush_logs_every_n_steps=flush_logs_every_n_steps)

    @property
    def log_dir(self) -> str:
        """The run folder."""
        return self.save_dir

    @property
    @rank_zero_experiment
    def experiment(self) -> _ContinuedWriter:
        """The writer of the file, created at its first use."""
        if self._experiment is None:
            os.makedirs(self.log_dir, exist_ok=True)
            self._experiment = _ContinuedWriter(self.log_dir)
        return self._experiment

    @rank_zero_only
    def rewind(self, epoch: int, step: int) -> None:
        """Forget the rows that were logged from an epoch on."""
        self.experiment.rewind(epoch)
