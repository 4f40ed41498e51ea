"""Which loss phases crystals best: each on the same crystals, with the same processor time, in two models and layouts.

    python benchmarks/loss_study.py --structures FILE [--seconds 90] [--jobs 1] [--losses mse energy] [--seeds 0 1 2]

Every run is a run folder of `train.py experiment=loss_study` under --folder. Finished ones are skipped and killed
ones resumed, so the command may be given again, with more losses or seeds; `--jobs 0` only prints the tables.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean, median

from study import REPOSITORY, Training, hard_crystals, logged, over_seeds, run_all

from phaselearn.commands.session import build_data
from phaselearn.testing.options import composed

# Data, model and its overrides, in the order in which they are run. Convolutions see neighbourhoods only, so that they
# are given the octant as a Patterson map, too. Their width is what a minute or two can train.
CNN = ("model=cnn", "model.width=16")
CASES = {
    "hkl10 mlp": ("data=hkl10", "model=mlp"),
    "hkl10 cnn": ("data=hkl10", "data.input_transform=patterson", *CNN),
    "hkl10_full cnn": ("data=hkl10_full", *CNN),
    "hkl10_full mlp": ("data=hkl10_full", "model=mlp"),
    "hkl20 mlp": ("data=hkl20", "model=mlp"),
    "hkl20_full cnn": ("data=hkl20_full", *CNN),
    "hkl20_full mlp": ("data=hkl20_full", "model=mlp"),
}
ENERGY = ("loss.loss._target_=phaselearn.losses.energy.EnergyDistance", "+loss.loss.exponent=1.0")
LOSSES = {
    "mse": ("loss=mse",),
    "l1": ("loss=l1",),
    "correlation": ("loss=correlation",),
    "shift_invariant": ("loss=shift_invariant",),
    "energy": ("loss=energy",),
    "aligned": ("loss=aligned",),
    "aligned energy": ("loss=aligned", *ENERGY),
    "sliced_wasserstein": ("loss=sliced_wasserstein",),
    "combined": ("loss=combined",),
    "patterson": ("loss=patterson",),
    "sinkhorn": ("loss=sinkhorn", "loss.tolerance=1e-3"),
}
GOOD, SOLVED = 0.7, 0.9


@dataclass(frozen=True)
class Run:
    """A loss in a case with a seed, and its training."""

    case: str
    loss: str
    seed: int
    training: Training


def runs(given: argparse.Namespace, source: Sequence[str]) -> Iterator[Run]:
    for case, seed, loss in product(given.cases, given.seeds, given.losses):
        chosen = ("experiment=loss_study", *CASES[case], *LOSSES[loss], *source)
        settings = (f"seed={seed}", f"callbacks.budget.seconds={given.seconds}")
        folder = given.folder / f"{case} {loss} {seed}".replace(" ", "_")
        yield Run(case, loss, seed, Training(f"{case}, {loss}, seed {seed}", (*chosen, *settings), folder.resolve()))


def prepare(cases: Sequence[str], source: Sequence[str]) -> None:
    """Build the stores one after the other, before runs that share them begin side by side."""
    for data in dict.fromkeys(CASES[case][0] for case in cases):
        build_data(composed("experiment=loss_study", data, *source)).prepare_data()


def figures(run: Run) -> dict[str, float]:
    """Return the figures of a finished run."""
    folder = run.training.folder
    crystals = hard_crystals(folder)
    columns = {
        name: [float(row[name]) for row in crystals] for name in ("correlation", "gain", "atoms_found", "strict")
    }
    train_loss, validation_loss = logged(folder, "train/loss"), logged(folder, "val/loss")
    return {
        "steps": max(logged(folder, "step")) + 1,
        "CC ≥ 0.7, %": 100 * mean(value >= GOOD for value in columns["correlation"]),
        "CC ≥ 0.9, %": 100 * mean(value >= SOLVED for value in columns["correlation"]),
        "strict, %": 100 * mean(columns["strict"]),
        "atoms found, %": 100 * mean(columns["atoms_found"]),
        "gain": median(columns["gain"]),
        "train loss, last/first": train_loss[-1] / train_loss[0] if train_loss else math.nan,
        "validation loss, least/first": min(validation_loss) / validation_loss[0],
        "validation loss, last/first": validation_loss[-1] / validation_loss[0],
    }


def table(case: str, done: Sequence[Run]) -> str:
    """Return the Markdown table of a case: a line a loss, mean and standard deviation where there are several seeds."""
    crystals = hard_crystals(done[0].training.folder)
    floor = 100 * mean(float(row["floor"]) >= GOOD for row in crystals)
    names = list(figures(done[0]))
    lines = [
        f"**{case}**: {len(crystals)} hard validation crystals, of whose phase-zero maps {floor:.1f} % reach 0.7",
        "",
    ]
    lines += [f"| loss | seeds | {' | '.join(names)} |", "|---" + "|---:" * (len(names) + 1) + "|"]
    for loss in dict.fromkeys(run.loss for run in done):
        values = [figures(run) for run in done if run.loss == loss]
        cells = [over_seeds([value[name] for value in values], _digits(name)) for name in names]
        lines.append(f"| {loss} | {len(values)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _digits(name: str) -> int:
    return 0 if name == "steps" else 1 if name.endswith("%") else 3


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--structures", type=Path, help="JSON-lines file; default: the embedded prototypes")
    arguments.add_argument("--folder", type=Path, default=REPOSITORY / "outputs" / "loss_study")
    arguments.add_argument("--seconds", type=float, default=90.0, help="processor time of each training")
    arguments.add_argument("--jobs", type=int, default=1, help="runs at a time, of one thread each; 0 only collects")
    arguments.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    arguments.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES), metavar="LOSS")
    arguments.add_argument("--seeds", nargs="+", type=int, default=[0])
    given = arguments.parse_args()
    source = ["source=file", f"source.path={given.structures.resolve()}"] if given.structures else ["source=prototypes"]
    every = list(runs(given, source))
    os.chdir(REPOSITORY)  # where the stores are looked for
    succeeded = True
    if given.jobs:
        prepare(given.cases, source)
        succeeded = run_all([run.training for run in every], given.jobs)
    for case in given.cases:
        done = [run for run in every if run.case == case and run.training.is_finished]
        if done:
            print(f"\n{table(case, done)}")
    sys.exit(0 if succeeded else 1)


if __name__ == "__main__":
    main()
