"""Run the commands as a user does, and read what they leave in a run folder."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import torch

from tests.cli.warm import run_warm

REPO = Path(__file__).resolve().parents[2]
TRAIN = (sys.executable, str(REPO / "train.py"))
PHASELEARN = (sys.executable, "-c", "from phaselearn.commands.main import main; main()")
SIX_DIGITS = 1e-5  # relative error of a number in metrics.csv or results.csv
SMALL = (
    "source.count=120",
    "data.batch_size=16",
    "evaluation.crystals=8",
    "evaluation.shown=0",
    "evaluation.methods=[phase_zero]",
)


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a command: one thread, and the user's own classes in `folder`."""
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join((str(folder), str(REPO))),
        "COLUMNS": "160",
    }


def command(folder: Path, *arguments: str, succeeds: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, as a process of its own."""
    done = run_warm(arguments, folder, environment(folder), timeout=300)
    assert not succeeds or done.returncode == 0, done.stdout + done.stderr
    return done


def table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def results(run: Path) -> list[dict[str, str]]:
    """Return the rows of results.csv without the seconds, which no two runs share."""
    return [{key: value for key, value in row.items() if key != "seconds"} for row in table(run / "results.csv")]


def metric_rows(run: Path) -> list[dict[str, str]]:
    """Return the rows of metrics.csv without empty cells."""
    return [{key: value for key, value in row.items() if value} for row in table(run / "metrics.csv")]


def weights(run: Path, which: str = "last") -> dict[str, torch.Tensor]:
    """Return the weights of a checkpoint, loaded without running any code in it."""
    return torch.load(run / f"{which}.ckpt", map_location="cpu", weights_only=True)["state_dict"]


def assert_same_training(run: Path, other: Path) -> None:
    """Two runs have the same weights to the last bit, and the same curves."""
    ours, theirs = weights(run), weights(other)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name
    assert metric_rows(run) == metric_rows(other)
