"""Ablations of the training of the unrolled network: each part left out or changed, at the same processor time.

    python benchmarks/unrolled_study.py --structures FILE [--seconds 180] [--jobs 1] [--count 400] [--seeds 0 1]

Every training is a run folder of `train.py experiment=unrolled_study` under --folder; finished ones are skipped and
killed ones resumed. Networks are judged from one start a crystal, that of charge flipping, without symmetry or atoms:
what is solved beyond the row "without network" is the network's own. Prints a Markdown table; `--jobs 0` trains none.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean, median

import torch
from omegaconf import DictConfig, OmegaConf
from solver import judge, named_regimes, shipped, tested_crystals
from study import REPOSITORY, Training, over_seeds, run_all

from phaselearn.benchmark.regimes import Regime
from phaselearn.data.structures import Crystal

VARIANTS = {
    "all parts": (),
    "loss: mse": ("loss.base=mse",),
    "4 cycles": ("model.network.cycles=4",),
    "16 cycles": ("model.network.cycles=16",),
    "no hidden channels": ("model.network.hidden=0",),
    "16 channels": ("model.network.width=16",),
    "64 channels": ("model.network.width=64",),
    "axes augmented": ("data.augmentation.axes=true",),
    "random starts in training": ("model.training.flipped_share=0.0",),
    "1,000 crystals": ("data.train_size=1000",),
    "5,000 crystals": ("data.train_size=5000",),
    "synthetic crystals": ("source=prototypes", "source.count=6000"),
    "a quarter of the time": (),
    "four times the time": (),
}
TIME = {"a quarter of the time": 0.25, "four times the time": 4.0}
JUDGED = {"plan": {"counts": [1]}, "symmetry": {"passes": 0}, "refinement": None}
REFERENCES = {"without network": {"starts": {"network": {"weights": None}}}, "shipped weights": {}}


@dataclass(frozen=True)
class Run:
    """A variant with a seed, and its training."""

    variant: str
    seed: int
    training: Training

    def model(self) -> DictConfig:
        """Return the options of the model as it is judged."""
        trained = OmegaConf.load(self.training.folder / "config.yaml").model
        network = OmegaConf.merge(trained.network, {"weights": str(self.training.folder / "last.ckpt")})
        parts = {"starts": {"network": network, "completion": {"finest": trained.training.finest}}}
        return OmegaConf.merge(shipped(), parts, JUDGED)


def runs(given: argparse.Namespace) -> Iterator[Run]:
    for seed, variant in product(given.seeds, given.variants):
        changes = VARIANTS[variant]
        real = ("source=file", f"source.path={given.structures.resolve()}")
        source = () if any(change.startswith("source=") for change in changes) else real
        settings = (f"seed={seed}", f"callbacks.budget.seconds={given.seconds * TIME.get(variant, 1.0)}")
        folder = given.folder / re.sub(r"[^\w]+", "_", f"{variant} {seed}")
        overrides = ("experiment=unrolled_study", *source, *changes, *settings)
        yield Run(variant, seed, Training(f"{variant}, seed {seed}", overrides, folder.resolve()))


def figures(model: DictConfig, regimes: Sequence[Regime], crystals: Sequence[Crystal], folder: Path) -> list[float]:
    """Return, for each regime, the share of the hard crystals solved in % and the median of their CC."""
    values = []
    for regime in regimes:
        hard = [record for record in judge(model, regime, crystals, folder) if record.hard and record.counted]
        values += [100 * mean(record.solved for record in hard), median(record.correlation for record in hard)]
    return values


def row(name: str, values: Sequence[Sequence[float]], parameters: str = "", steps: str = "") -> str:
    """Return a line of the table, from the figures of each seed."""
    cells = [over_seeds(column, 3 if place % 2 else 1) for place, column in enumerate(zip(*values, strict=True))]
    return f"| {name} | {len(values)} | {parameters} | {steps} | {' | '.join(cells)} |"


def size(run: Run) -> tuple[str, str]:
    """Return the number of parameters and of steps of a run."""
    checkpoint = torch.load(run.training.folder / "last.ckpt", map_location="cpu", weights_only=True)
    count = sum(values.numel() for name, values in checkpoint["state_dict"].items() if name.startswith("network."))
    return f"{count:,}", f"{checkpoint['global_step']:,}"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--structures", type=Path, required=True, help="JSON-lines file")
    arguments.add_argument("--folder", type=Path, default=REPOSITORY / "outputs" / "unrolled_study")
    arguments.add_argument("--seconds", type=float, default=180.0, help="processor time of each training")
    arguments.add_argument("--jobs", type=int, default=1, help="trainings at a time, of one thread; 0 only judges")
    arguments.add_argument("--count", type=int, default=400, help="validation crystals that judge")
    arguments.add_argument("--regimes", nargs="+", default=["d2.0"])
    arguments.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="VARIANT")
    arguments.add_argument("--seeds", nargs="+", type=int, default=[0])
    given = arguments.parse_args()
    every = list(runs(given))
    regimes, crystals = named_regimes(given.regimes), tested_crystals(given.structures, given.count)
    os.chdir(REPOSITORY)  # where the stores are looked for
    succeeded = run_all([run.training for run in every], given.jobs) if given.jobs else True

    columns = [f"{regime.name}: hard solved, % | median CC" for regime in regimes]
    print(f"\n| variant | seeds | parameters | steps | {' | '.join(columns)} |")
    print("|---" + "|---:" * (3 + 2 * len(regimes)) + "|")
    for name, changes in REFERENCES.items():
        model = OmegaConf.merge(shipped(), JUDGED, changes)
        print(row(name, [figures(model, regimes, crystals, given.folder.resolve())]), flush=True)
    for variant in given.variants:
        done = [run for run in every if run.variant == variant and run.training.is_finished]
        if done:
            values = [figures(run.model(), regimes, crystals, run.training.folder) for run in done]
            print(row(variant, values, *size(done[0])), flush=True)
    sys.exit(0 if succeeded else 1)


if __name__ == "__main__":
    main()
