"""What carries the phaser: the same crystals with one part of it left out or more of another.

    python benchmarks/phaser.py --structures FILE [--count 100] [--regimes d1.5 d2.0]

Validation crystals, the first of those of `phaselearn benchmark split=validation`. Prints a Markdown table a regime:
shares solved with 95 % bootstrap intervals, and seconds of the processor. A network that was not trained leaves phases
as they are.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from types import SimpleNamespace

from figures import state_machine
from omegaconf import OmegaConf

from phaselearn.benchmark.contenders import parameter_free, regime_from
from phaselearn.benchmark.crystals import choose, crystals_of_source
from phaselearn.benchmark.runner import RunSettings, run_contender
from phaselearn.benchmark.table import Row, summarise_records
from phaselearn.commands.application import config_directory
from phaselearn.data.sources.file import File
from phaselearn.losses.mse import MeanSquaredError

NO_NETWORK, NO_SYMMETRY = {"weights": None}, {"symmetry": {"passes": 0}}
VARIANTS = {
    "as shipped": {},
    "without network": NO_NETWORK,
    "without symmetry": NO_SYMMETRY,
    "without both": NO_NETWORK | NO_SYMMETRY,
    "one start": {"starts": 1},
    "ten starts": {"starts": 10},
    "random starts": {"flipping": None},
}


def contender(changes: dict):
    """Return the phaser with some of its options changed."""
    from hydra.utils import instantiate

    config = OmegaConf.load(config_directory() / "model" / "phaser.yaml")
    config = OmegaConf.merge(config, changes)

    def build(data: SimpleNamespace):
        return instantiate(config, _partial_=True)(loss=MeanSquaredError(), definition=data.definition)

    return parameter_free("phaser", config, build, "cpu")


def _share(row: Row) -> str:
    solved, low, high = (f"{100 * row[name]:.1f}" for name in ("solved", "solved_low", "solved_high"))
    return f"{row['n']} | {solved} [{low}, {high}]"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--structures", required=True, help="JSON-lines file")
    arguments.add_argument("--count", type=int, default=100)
    arguments.add_argument("--regimes", nargs="+", default=["d1.5", "d2.0"])
    given = arguments.parse_args()
    state_machine()
    source = File(given.structures, None, licence="", attribution="")
    tested = choose(crystals_of_source(source, 30.0), "validation", given.count, seed=0).tested
    meanings = OmegaConf.to_container(OmegaConf.load(config_directory() / "benchmark.yaml").regime)
    for name in given.regimes:
        regime = regime_from(config_directory(), name, meanings)
        print(f"\n| {name} | crystals | solved % | hard | solved % | s a crystal |\n|---|---:|---:|---:|---:|---:|")
        for variant, changes in VARIANTS.items():
            with tempfile.TemporaryDirectory() as folder:
                records = run_contender(
                    contender(changes), regime, tested, frozenset(), RunSettings(Path(folder), 128, seed=0)
                )
            rows = {row["subset"]: row for row in summarise_records(records, 1000)}
            cells = [_share(rows["all"]), _share(rows["hard"])]
            print(f"| {variant} | {' | '.join(cells)} | {rows['all']['seconds_per_crystal']:.3f} |", flush=True)


if __name__ == "__main__":
    main()
