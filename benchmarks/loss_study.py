"""Which loss phases crystals best: each on the same crystals, with the same processor time, in two models and layouts.

    python benchmarks/loss_study.py --structures FILE [--seconds 90] [--jobs 1] [--losses mse energy] [--seeds 0 1 2]

Every run is a run folder of `train.py experiment=loss_study` under --folder. Finished ones are skipped and killed
ones resumed, so the command may be given again, with more losses or seeds; `--jobs 0` only prints the tables.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean, median, stdev

from phaselearn.commands.session import build_data
from phaselearn.testing.options import composed

REPOSITORY = Path(__file__).resolve().parents[1]
# Data, model and its overrides, in the order in which they are run. Convolutions see neighbourhoods only: in the
# octant, where the input is no map, there is nothing for them to learn. Their width is what a minute or two can train.
CNN = ("model=cnn", "model.width=16")
CASES = {
    "hkl10 mlp": ("data=hkl10", "model=mlp"),
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
    """One training of the study."""

    case: str
    loss: str
    seed: int
    folder: Path

    @property
    def is_finished(self) -> bool:
        return (self.folder / "results.csv").exists()

    def command(self, source: Sequence[str], seconds: float) -> list[str]:
        return [
            *(sys.executable, str(REPOSITORY / "train.py"), "experiment=loss_study"),
            *(*CASES[self.case], *LOSSES[self.loss], *source),
            *(f"seed={self.seed}", f"run={self.folder}", f"callbacks.budget.seconds={seconds}"),
        ]


def runs(folder: Path, cases: Sequence[str], losses: Sequence[str], seeds: Sequence[int]) -> Iterator[Run]:
    for case, seed, loss in product(cases, seeds, losses):
        yield Run(case, loss, seed, folder / f"{case} {loss} {seed}".replace(" ", "_"))


def prepare(cases: Sequence[str], source: Sequence[str]) -> None:
    """Build the stores one after the other, before runs that share them begin side by side."""
    for data in dict.fromkeys(CASES[case][0] for case in cases):
        build_data(composed("experiment=loss_study", data, *source)).prepare_data()


def train(run: Run, source: Sequence[str], seconds: float) -> bool:
    """Train one, on one thread; what it prints goes into its folder."""
    run.folder.mkdir(parents=True, exist_ok=True)
    print(f"{run.case}, {run.loss}, seed {run.seed}", flush=True)
    with open(run.folder / "output.txt", "w") as output:
        finished = subprocess.run(
            run.command(source, seconds),
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
    if finished.returncode:
        print(f"failed: {run.case}, {run.loss}, seed {run.seed}; see {output.name}", flush=True)
    return finished.returncode == 0


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def hard_crystals(run: Run) -> list[dict[str, str]]:
    """Return the judgements of the crystals that count: hard, and with enough reflections."""
    return [row for row in read(run.folder / "crystals.csv") if row["hard"] == row["counted"] == "True"]


def figures(run: Run) -> dict[str, float]:
    """Return the figures of a finished run."""
    crystals, curve = hard_crystals(run), read(run.folder / "metrics.csv")
    columns = {
        name: [float(row[name]) for row in crystals] for name in ("correlation", "gain", "atoms_found", "strict")
    }
    train_loss, validation_loss = (
        [float(row[name]) for row in curve if row.get(name)] for name in ("train/loss", "val/loss")
    )
    return {
        "steps": max(float(row["step"]) for row in curve if row["step"]) + 1,
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
    crystals = hard_crystals(done[0])
    floor = 100 * mean(float(row["floor"]) >= GOOD for row in crystals)
    names = list(figures(done[0]))
    lines = [
        f"**{case}**: {len(crystals)} hard validation crystals, of whose phase-zero maps {floor:.1f} % reach 0.7",
        "",
    ]
    lines += [f"| loss | seeds | {' | '.join(names)} |", "|---" + "|---:" * (len(names) + 1) + "|"]
    for loss in dict.fromkeys(run.loss for run in done):
        values = [figures(run) for run in done if run.loss == loss]
        cells = [_cell(name, [value[name] for value in values]) for name in names]
        lines.append(f"| {loss} | {len(values)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(name: str, values: Sequence[float]) -> str:
    digits = 0 if name == "steps" else 1 if name.endswith("%") else 3
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{spread}"


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
    folder = given.folder.resolve()
    os.chdir(REPOSITORY)  # where the stores are looked for

    every = list(runs(folder, given.cases, given.losses, given.seeds))
    succeeded = [True]
    if given.jobs:
        prepare(given.cases, source)
        with ThreadPoolExecutor(given.jobs) as pool:
            waiting = [run for run in every if not run.is_finished]
            succeeded += pool.map(lambda run: train(run, source, given.seconds), waiting)
    for case in given.cases:
        done = [run for run in every if run.case == case and run.is_finished]
        if done:
            print(f"\n{table(case, done)}")
    sys.exit(0 if all(succeeded) else 1)


if __name__ == "__main__":
    main()
