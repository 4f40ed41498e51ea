"""Studies of one-shot networks: which loss, how many crystals, which network; each with a table and a plot.

    python benchmarks/studies.py --study losses --structures FILE [--jobs 1] [key=value …]

A study is conf/experiment/study_NAME.yaml, which says what it asks, what it varies and its budget. Every run is a run
folder of one thread under --folder; finished ones are skipped and killed ones resumed, so the command may be given
again; `--jobs 0` only prints the table and draws the plot. `key=value` changes the configuration, and is part of the
folder's name; `key=a,b` another choice of what is varied.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean, median

import numpy as np
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from study import REPOSITORY, Training, hard_crystals, logged, run_all
from study_plot import Panel, draw_points

from phaselearn.benchmark.intervals import bootstrap_interval, share_interval
from phaselearn.commands.options import config_directory
from phaselearn.commands.session import build_data
from phaselearn.report.markdown_table import markdown_table
from phaselearn.testing.options import composed

SOLVED = 0.9
RESAMPLES = 2000

Figures = dict[str, float]


@dataclass(frozen=True)
class Run:
    """A value of each key that the study varies, and its training."""

    point: dict[str, str]
    training: Training


def judgement(folder: Path) -> Figures:
    """Return how the hard validation crystals were judged, with 95 % intervals, and the losses."""
    crystals = hard_crystals(folder)
    columns = {
        name: np.array([float(row[name]) for row in crystals])
        for name in ("correlation", "floor", "gain", "atoms_found", "strict")
    }
    solved = columns["correlation"] >= SOLVED
    train = logged(folder, "train/loss")
    return {
        "steps": max(logged(folder, "step")) + 1,
        "training loss": train[-1] if train else math.nan,
        "validation loss": min(logged(folder, "val/loss")),
        "crystals": len(crystals),
        "floor": median(columns["floor"]),
        "CC": median(columns["correlation"]),
        **_with_interval("gain", median(columns["gain"]), bootstrap_interval(columns["gain"], "median", RESAMPLES)),
        **_with_interval("CC ≥ 0.9, %", 100 * solved.mean(), share_interval(int(solved.sum()), len(solved)), 100),
        "strict, %": 100 * mean(columns["strict"]),
        "atoms found, %": 100 * mean(columns["atoms_found"]),
    }


def _with_interval(name: str, value: float, ends: tuple[float, float], unit: float = 1) -> Figures:
    return {name: value, f"{name} low": unit * ends[0], f"{name} high": unit * ends[1]}


PANELS = (
    Panel("gain", "median gain over phase zero,\nhard validation crystals", level=0.0),
    Panel("CC ≥ 0.9, %", "hard validation crystals solved (%)", level=0.0),
)


@dataclass(frozen=True)
class Study:
    """The key that the runs of a study are drawn against, and its name in the plot."""

    x: str
    label: str


STUDIES = {
    "losses": Study("loss", "loss"),
    "crystals": Study("data.train_size", "training crystals"),
    "networks": Study("model", "network"),
}


def points(study: str, changes: Sequence[str]) -> list[dict[str, str]]:
    """Return every combination that `python train.py -m experiment=study_… CHANGES` would run, {key: value}."""
    config = OmegaConf.load(config_directory() / "experiment" / f"study_{study}.yaml")
    given = [*(f"{key}={values}" for key, values in config.hydra.sweeper.params.items()), *changes]
    choices = {}
    for override in OverridesParser.create().parse_overrides(given):
        swept = override.is_sweep_override()
        choices[override.get_key_element()] = (
            list(override.sweep_string_iterator()) if swept else [override.get_value_element_as_str()]
        )
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


def study_runs(study: str, folder: Path, changes: Sequence[str], source: Sequence[str]) -> list[Run]:
    """Return the runs of a study; their folders are named by what is varied."""
    runs = []
    for point in points(study, changes):
        name = "-".join(f"{key.rpartition('.')[2]}_{value}" for key, value in point.items())
        # Groups first, as their options are chosen before single values are set.
        overrides = (f"experiment=study_{study}", *source, *(f"{key}={value}" for key, value in point.items()))
        runs.append(Run(point, Training(name, overrides, folder / study / re.sub(r"[^\w.-]+", "_", name))))
    return runs


def train(runs: Sequence[Run], jobs: int) -> bool:
    """Train what is not finished; return whether all succeeded."""
    waiting = [run.training for run in runs if not run.training.is_finished]
    # One after the other, before runs that share a store begin side by side.
    for training in waiting:
        build_data(composed(*training.overrides)).prepare_data()
    return run_all(waiting, jobs)


def table(study: str, done: Sequence[Run]) -> str:
    """Return the Markdown table: a line a run, and what all of them took of the processor."""
    keys = [key for key in done[0].point if len({run.point[key] for run in done}) > 1] or [STUDIES[study].x]
    judged = [judgement(run.training.folder) for run in done]
    names = [name for name in judged[0] if not name.endswith((" low", " high"))]
    lines = [
        [
            *(run.point[key] for key in keys),
            *(_cell(name, values) for name in names),
            f"{run.training.processor_seconds:.0f}",
        ]
        for run, values in zip(done, judged, strict=True)
    ]
    minutes = sum(run.training.processor_seconds for run in done) / 60
    shown = markdown_table([*keys, *names, "processor, s"], lines, len(keys))
    return f"{shown}\n\n{len(done)} runs, {minutes:.1f} minutes of the processor"


def _cell(name: str, values: Figures) -> str:
    digits = 0 if name in ("steps", "crystals") else 1 if name.endswith("%") else 3
    shown = [f"{values[key]:.{digits}f}" for key in (name, f"{name} low", f"{name} high") if key in values]
    return shown[0] if len(shown) == 1 else f"{shown[0]} [{shown[1]}, {shown[2]}]"


def draw(study: str, done: Sequence[Run], path: Path) -> None:
    """Draw the plot of a study."""
    values = [(run.point, judgement(run.training.folder)) for run in done]
    draw_points(values, STUDIES[study].x, STUDIES[study].label, PANELS, path)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--study", choices=STUDIES, required=True)
    arguments.add_argument("--structures", type=Path, help="JSON-lines file; default: the embedded prototypes")
    arguments.add_argument("--folder", type=Path, default=REPOSITORY / "outputs" / "studies")
    arguments.add_argument("--jobs", type=int, default=1, help="runs at a time, of one thread each; 0 only collects")
    arguments.add_argument("changes", nargs="*", metavar="key=value", help="of the configuration")
    given = arguments.parse_args()
    source = ["source=prototypes"]
    if given.structures:
        source = ["source=file", f"source.path={given.structures.resolve()}", "source.count=null"]
    every = study_runs(given.study, given.folder.resolve(), given.changes, source)
    plot = given.folder.resolve() / f"{given.study}.png"
    os.chdir(REPOSITORY)  # where the stores are looked for
    succeeded = train(every, given.jobs) if given.jobs else True
    done = [run for run in every if run.training.is_finished]
    if done:
        print(f"\n{table(given.study, done)}")
        draw(given.study, done, plot)
        print(f"plot: {plot}")
    sys.exit(0 if succeeded else 1)


if __name__ == "__main__":
    main()
