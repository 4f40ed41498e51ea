"""Ablations of the solver: the same crystals with one part of it left out, or more of another.

    python benchmarks/solver.py --structures FILE [--count 100] [--regimes d1.5 d2.0] [--variants VARIANT …]

Validation crystals, the first of those of `phaselearn benchmark split=validation`. Prints a Markdown table a regime:
shares solved with 95 % intervals, and seconds of the processor. A network that was not trained leaves phases
as they are.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from figures import state_machine
from omegaconf import DictConfig, OmegaConf

from phaselearn.benchmark.contenders import composed_option, parameter_free, regime_from
from phaselearn.benchmark.crystals import choose_crystals, crystals_of_source
from phaselearn.benchmark.records import CrystalRecord
from phaselearn.benchmark.regimes import Regime
from phaselearn.benchmark.runner import ModelContender, RunSettings, run_contender
from phaselearn.benchmark.table import Row, summarise_records
from phaselearn.commands.options import config_directory
from phaselearn.data.sources.file import File
from phaselearn.data.structures import Crystal
from phaselearn.losses.mse import MeanSquaredError

NO_NETWORK, NO_REFINEMENT = {"starts": {"network": {"weights": None}}}, {"refinement": None}
VARIANTS = {
    "as shipped": {},
    "without network": NO_NETWORK,
    "one cycle of the network": {"starts": {"network": {"cycles": 1}}},
    "without refinement": NO_REFINEMENT,
    "without symmetry": {"symmetry": {"passes": 0}},
    "without network and refinement": NO_NETWORK | NO_REFINEMENT,
    "the best start alone refined": {"choice": {"refined": 1}},
    "chosen by R alone": {"choice": {"trust": 0.0}},
    "chosen by the network alone": {"choice": {"trust": 1e6}},
    "one start": {"plan": {"counts": [1]}},
    "one round of starts": {"plan": {"counts": [1, 2, 6]}},
    "all starts for every crystal": {"plan": {"counts": [6, 12, 18]}},
    "told the composition": {"refinement": {"composition_rounds": 6}},
    "single runs of 100 cycles": {"starts": {"begin": {"iterations": 100}}},
}


def shipped(starts: str = "flipping_unrolled") -> DictConfig:
    """Return the options of the solver as it comes, with an option of conf/starts."""
    model = composed_option(config_directory(), "model", "solver")
    model.starts = composed_option(config_directory(), "starts", starts)
    return model


def contender_of(model: DictConfig) -> ModelContender:
    """Return a method without a run folder, with these options of conf/model."""
    from hydra.utils import instantiate

    def build(data: SimpleNamespace):
        return instantiate(model, _partial_=True)(loss=MeanSquaredError(), definition=data.definition)

    return parameter_free("solver", model, build, "cpu")


def judge(model: DictConfig, regime: Regime, crystals: Sequence[Crystal], folder: Path) -> list[CrystalRecord]:
    """Return the records of a solver with these options, from the folder where it was judged before."""
    return run_contender(contender_of(model), regime, crystals, frozenset(), RunSettings(folder, 128, seed=0))


def tested_crystals(structures: Path, count: int) -> tuple[Crystal, ...]:
    """Return the first of the validation crystals of `phaselearn benchmark split=validation`."""
    source = File(str(structures), None, licence="", attribution="")
    return choose_crystals(crystals_of_source(source, 30.0), "validation", count, seed=0).tested


def named_regimes(names: Sequence[str]) -> list[Regime]:
    """Return regimes of conf/benchmark.yaml."""
    meanings = OmegaConf.to_container(OmegaConf.load(config_directory() / "benchmark.yaml").regime)
    return [regime_from(config_directory(), name, meanings) for name in names]


def _share(row: Row) -> str:
    solved, low, high = (f"{100 * row[name]:.1f}" for name in ("solved", "solved_low", "solved_high"))
    return f"{row['n']} | {solved} [{low}, {high}]"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--structures", type=Path, required=True, help="JSON-lines file")
    arguments.add_argument("--starts", default="flipping_unrolled", help="an option of conf/starts with the network")
    arguments.add_argument("--count", type=int, default=100)
    arguments.add_argument("--regimes", nargs="+", default=["d1.5", "d2.0"])
    arguments.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="VARIANT")
    given = arguments.parse_args()
    state_machine()
    tested = tested_crystals(given.structures, given.count)
    for regime in named_regimes(given.regimes):
        print(
            f"\n| {regime.name} | crystals | solved % | hard | solved % | s per crystal |\n"
            "|---|---:|---:|---:|---:|---:|"
        )
        for variant in given.variants:
            with tempfile.TemporaryDirectory() as folder:
                records = judge(OmegaConf.merge(shipped(given.starts), VARIANTS[variant]), regime, tested, Path(folder))
            rows = {row["subset"]: row for row in summarise_records(records, 1000)}
            cells = [_share(rows["all"]), _share(rows["hard"])]
            print(f"| {variant} | {' | '.join(cells)} | {rows['all']['seconds_per_crystal']:.3f} |", flush=True)


if __name__ == "__main__":
    main()
