"""Studies of the 2021 report: what changes its results, each with a table and a plot.

    python benchmarks/report_studies.py --study layout --structures FILE [--jobs 1] [key=value …]

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean, median

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from study import REPOSITORY, Training, hard_crystals, logged, run_all
from study_plot import Panel, draw_curves, draw_points

from phaselearn.commands.options import config_directory
from phaselearn.commands.session import build_data
from phaselearn.report.curves import read_curves
from phaselearn.testing.options import composed

EPOCHS = (10, 30, 100, 300)
SOLVED = 0.9

Figures = dict[str, float]


@dataclass(frozen=True)
class Run:
    """A value of each key that the study varies, and its training."""

    point: dict[str, str]
    training: Training


def judgement(folder: Path) -> Figures:
    """Return how the hard validation crystals were judged, and the losses."""
    crystals = hard_crystals(folder)
    columns = {
        name: [float(row[name]) for row in crystals]
        for name in ("correlation", "floor", "gain", "atoms_found", "strict")
    }
    train = logged(folder, "train/loss")
    return {
        "steps": max(logged(folder, "step")) + 1,
        "training loss": train[-1] if train else math.nan,
        "validation loss": min(logged(folder, "val/loss")),
        "crystals": len(crystals),
        "CC ≥ 0.9, %": 100 * mean(value >= SOLVED for value in columns["correlation"]),
        "strict, %": 100 * mean(columns["strict"]),
        "atoms found, %": 100 * mean(columns["atoms_found"]),
        "floor": median(columns["floor"]),
        "CC": median(columns["correlation"]),
        "gain": median(columns["gain"]),
    }


def loss_after_epochs(folder: Path) -> Figures:
    """Return the validation loss after some numbers of epochs, and where it was least."""
    curve = read_curves(folder / "metrics.csv")["val/loss"]
    values = dict(zip(curve.epochs.tolist(), curve.values.tolist(), strict=True))
    least = min(values, key=values.__getitem__)
    after = {f"after {epoch} epochs": values.get(epoch, math.nan) for epoch in EPOCHS}
    return {**after, "least validation loss": values[least], "at epoch": least}


def memory(folder: Path) -> Figures:
    """Return the peak of resident memory."""
    return {"peak memory, GiB": max(logged(folder, "train/peak_memory")) / 2**10}


JUDGED = (
    Panel("validation loss", "least validation loss\n(1: a flat map)"),
    Panel("gain", "median gain over phase zero,\nhard validation crystals", level=0.0),
)
MEMORY = (Panel("peak memory, GiB", "peak resident memory (GiB)", from_zero=True),)


@dataclass(frozen=True)
class Study:
    """The figures of a study's runs that are tabulated and drawn, and the key that they are drawn against."""

    x: str
    label: str
    panels: tuple[Panel, ...] = JUDGED
    figures: Callable[[Path], Figures] = judgement


STUDIES = {
    "training_size": Study("data.train_size", "training crystals"),
    "learning_rate": Study("optim.optimizer.lr", "epochs", (), loss_after_epochs),
    "unet": Study("model.smallest", "voxels along an axis inside the network (map: 10)"),
    "unet_memory": Study("data.batch_size", "crystals in a batch", MEMORY, memory),
    "unet_crystals": Study("data.train_size", "training crystals", MEMORY, memory),
    "layout": Study("data", "voxels and layout of the reflections"),
    "cell": Study("source.cell", "unit cell"),
    "frame": Study("data.definition.frame", "frame of the voxels"),
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
    names = list(STUDIES[study].figures(done[0].training.folder))
    lines = [
        f"| {' | '.join([*keys, *names, 'processor, s'])} |",
        "|---" * len(keys) + "|---:" * (len(names) + 1) + "|",
    ]
    for run in done:
        values = STUDIES[study].figures(run.training.folder)
        cells = [*(run.point[key] for key in keys), *(_cell(name, values[name]) for name in names)]
        lines.append(f"| {' | '.join(cells)} | {run.training.processor_seconds:.0f} |")
    minutes = sum(run.training.processor_seconds for run in done) / 60
    return "\n".join([*lines, "", f"{len(done)} runs, {minutes:.1f} minutes of the processor"])


def _cell(name: str, value: float) -> str:
    if math.isnan(value):
        return "–"
    digits = 0 if name in ("steps", "crystals", "at epoch") else 1 if name.endswith("%") else 3
    return f"{value:.{digits}f}"


def draw(study: str, done: Sequence[Run], path: Path) -> None:
    """Draw the plot of a study."""
    drawn = STUDIES[study]
    if not drawn.panels:
        curves = {f"{run.point[drawn.x]}": read_curves(run.training.folder / "metrics.csv") for run in done}
        draw_curves(curves, "learning rate", path)
        return
    values = [(run.point, drawn.figures(run.training.folder)) for run in done]
    draw_points(values, drawn.x, drawn.label, drawn.panels, path)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--study", choices=STUDIES, required=True)
    arguments.add_argument("--structures", type=Path, help="JSON-lines file; default: the embedded prototypes")
    arguments.add_argument("--folder", type=Path, default=REPOSITORY / "outputs" / "report_studies")
    arguments.add_argument("--jobs", type=int, default=1, help="runs at a time, of one thread each; 0 only collects")
    arguments.add_argument("changes", nargs="*", metavar="key=value", help="of the configuration")
    given = arguments.parse_args()
    source = ["source=file", f"source.path={given.structures.resolve()}"] if given.structures else ["source=prototypes"]
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
