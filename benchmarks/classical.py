"""Our classical phasing beside cctbx's charge flipping on the same crystals, and how far its confidence can be trusted.

    python benchmarks/classical.py                    # 12 prototypes in all regimes, one thread, three minutes
    python benchmarks/classical.py --folder FOLDER    # of a finished `phaselearn benchmark peers=[cctbx]`

Seconds are those of the processor. Prints one line a figure, `name: value (at least|at most BOUND) ok|short`, and
exits 1 if one falls short. Needs the extra `peers`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from figures import Figures, state_machine

from phaselearn.benchmark.comparison import compare
from phaselearn.benchmark.peers import PEERS
from phaselearn.benchmark.records import read_records, read_rows
from phaselearn.benchmark.run import CALIBRATION_FILE, RECORDS_FILE

METHODS = ("charge_flipping", "raar")


def run(folder: Path, options: list[str]) -> None:
    """Run `phaselearn benchmark` in a folder."""
    models = f"models=[{','.join(METHODS)}]"
    command = ["phaselearn", "benchmark", models, "peers=[cctbx]", "homometry=null", f"run={folder}", *options]
    subprocess.run([str(Path(sys.executable).with_name(command[0])), *command[1:]], check=True, capture_output=True)


def judge(folder: Path, figures: Figures) -> None:
    """State the figures of a finished benchmark."""
    for each in compare(read_records(folder / RECORDS_FILE), PEERS):
        if each.method not in METHODS:
            continue
        name = f"{each.regime}, {each.method} against {each.peer} on {each.n} crystals"
        figures.at_least(f"{name}, solved, difference in %", 100 * (each.solved - each.peer_solved), 0)
        figures.at_least(f"{name}, strict, difference in %", 100 * (each.strict - each.peer_strict), 0)
        figures.at_least(f"{name}, speed", each.speed, 10)
    for row in read_rows(folder / CALIBRATION_FILE):
        name = f"{row['regime']}, confidence of {row['method']} checked on {row['checked']} crystals"
        figures.at_most(f"{name}, expected calibration error", float(row["expected_error"]), 0.05)
        figures.state(f"{name}, AUC", float(row["auc"]))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--folder", type=Path, help="of a finished benchmark")
    arguments.add_argument("options", nargs="*", help="of `phaselearn benchmark`; default: count=12")
    given = arguments.parse_args()
    state_machine()
    figures = Figures()
    if given.folder:
        judge(given.folder, figures)
    else:
        with tempfile.TemporaryDirectory() as folder:
            run(Path(folder), given.options or ["count=12"])
            judge(Path(folder), figures)
    figures.finish()


if __name__ == "__main__":
    main()
