"""How long `python train.py --help` and `--cfg job` take, beside an empty Hydra application.

    python benchmarks/startup.py [--rounds 7]

Prints one line a figure, `name: value (at least|at most BOUND) ok|short`, and exits 1 if one falls short.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import Figures, state_machine

REPO = Path(__file__).resolve().parents[1]
EMPTY = """
import hydra

@hydra.main(version_base="1.3", config_path=None)
def main(config):
    pass

main()
"""


def seconds(*command: str, folder: str) -> float:
    """Return how long a command takes."""
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    subprocess.run([sys.executable, *command], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=7)
    given = arguments.parse_args()
    state_machine()
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.py"
        empty.write_text(EMPTY)
        for flags in (["--help"], ["--cfg", "job"]):
            # In turns, and the fastest of each: whatever else the machine does only adds to it.
            pairs = [
                [seconds(str(script), *flags, folder=folder) for script in (empty, REPO / "train.py")]
                for _ in range(given.rounds)
            ]
            base, ours = map(min, zip(*pairs, strict=True))
            name = " ".join(flags)
            figures.state(f"{name}, seconds of an empty Hydra application", base)
            figures.state(f"{name}, ratio of train.py to it", ours / base)
            figures.at_most(
                f"{name}, seconds of train.py against 1.5 times that and half a second", ours, 1.5 * base + 0.5
            )
    figures.finish()


if __name__ == "__main__":
    main()
