"""Many runs of `train.py`, each in a run folder; finished ones are skipped and killed ones resumed."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

REPOSITORY = Path(__file__).resolve().parents[1]
USED_FILE = "processor_seconds.txt"


@dataclass(frozen=True)
class Training:
    """One run of a study.

    Attributes:
        name: as it is printed.
        overrides: overrides of the configuration, its experiment and source among them.
        folder: folder of the run.
    """

    name: str
    overrides: tuple[str, ...]
    folder: Path

    @property
    def is_finished(self) -> bool:
        """Whether the run has its results."""
        return (self.folder / "results.csv").exists()

    def command(self) -> list[str]:
        """Return the command that trains it or resumes it."""
        return [sys.executable, str(REPOSITORY / "train.py"), *self.overrides, f"run={self.folder}"]

    def run(self) -> bool:
        """Train on one thread; what is printed goes into output.txt. Return whether it succeeded."""
        self.folder.mkdir(parents=True, exist_ok=True)
        print(self.name, flush=True)
        with open(self.folder / "output.txt", "w") as output:
            environment = os.environ | {"OMP_NUM_THREADS": "1"}
            process = subprocess.Popen(self.command(), stdout=output, stderr=subprocess.STDOUT, env=environment)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        used = self.processor_seconds + usage.ru_utime + usage.ru_stime
        (self.folder / USED_FILE).write_text(f"{used:.1f}\n")
        if process.returncode:
            print(f"failed: {self.name}; see {output.name}", flush=True)
        return process.returncode == 0

    @property
    def processor_seconds(self) -> float:
        """Processor time of the run so far in seconds, validation and test included; 0 where it is unknown."""
        path = self.folder / USED_FILE
        return float(path.read_text()) if path.exists() else 0.0


def run_all(trainings: Sequence[Training], jobs: int) -> bool:
    """Run what is not finished, so many at a time; return whether all succeeded."""
    with ThreadPoolExecutor(jobs) as pool:
        return all(list(pool.map(Training.run, [training for training in trainings if not training.is_finished])))


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def logged(folder: Path, name: str) -> list[float]:
    """Return the values of a column of a run's metrics.csv, in the order in which they were logged."""
    return [float(row[name]) for row in read(folder / "metrics.csv") if row.get(name)]


def hard_crystals(folder: Path) -> list[dict[str, str]]:
    """Return a run's judgements of the crystals that count: hard, and with enough reflections."""
    return [row for row in read(folder / "crystals.csv") if row["hard"] == row["counted"] == "True"]


def over_seeds(values: Sequence[float], digits: int) -> str:
    """Return the mean, and the standard deviation where there are several values."""
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{spread}"
