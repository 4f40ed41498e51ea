"""Kill `phaselearn prepare` at random moments and resume it: the store equals that of a build that was never stopped.

    python benchmarks/prepare_kills.py [--count 2000] [--kills 20] [--workers 2] [--seed 0]

Prints a line a kill, then one a figure, `name: value (at least|at most BOUND) ok|short`; exits 1 if one falls short.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import Figures, state_machine


def command(store: Path, count: int, workers: int) -> list[str]:
    """Return the command that builds a store."""
    run = "from phaselearn.commands.main import main; main()"
    return [
        *(sys.executable, "-c", run, "prepare", "data=hkl10_full", f"source.count={count}"),
        *(f"data.store={store}", f"data.build.workers={workers}"),
    ]


def digests(path: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder."""
    return {
        str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


def written(folder: Path) -> int:
    """Return how many files are below a folder, which may change or move away meanwhile."""
    return sum(len(files) for _, _, files in os.walk(folder))


def kill_after(arguments: list[str], files: int, partial: Path) -> bool:
    """Start a build and kill it when `partial` holds so many files; return whether it still ran then."""
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if written(partial) >= files:
                process.kill()
                return True
            time.sleep(0.002)
    return False


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=2000, help="crystals")
    arguments.add_argument("--kills", type=int, default=20)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--seed", type=int, default=0, help="of the moments")
    given = arguments.parse_args()
    state_machine()
    draw = random.Random(given.seed)
    killed, same, began = 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        whole, store = Path(folder) / "whole.zarr", Path(folder) / "killed.zarr"
        partial = store.with_name(f"{store.name}.partial")
        subprocess.run(command(whole, given.count, given.workers), check=True, stdout=subprocess.DEVNULL)
        expected = digests(whole)
        most = 3 * given.count // 256 + len(expected)
        while killed < given.kills:
            here = written(partial)
            # Another build begins when one is whole; within one, the moments lie between what is there and the end.
            moment = draw.randint(here + 1, max(here + 1, most))
            if kill_after(command(store, given.count, given.workers), moment, partial):
                killed += 1
                print(f"kill {killed}: with {moment} files written", flush=True)
                continue
            began += 1
            same += digests(store) == expected
            shutil.rmtree(store)
        subprocess.run(command(store, given.count, given.workers), check=True, stdout=subprocess.DEVNULL)
        began += 1
        same += digests(store) == expected
        rest = partial.exists()
    figures = Figures()
    figures.state("builds finished after kills", began)
    figures.at_least("kills", killed, given.kills)
    figures.at_least("share of those builds that are the same to the last byte", same / began, 1)
    figures.at_most("folders left behind", rest, 0)
    figures.finish()


if __name__ == "__main__":
    main()
