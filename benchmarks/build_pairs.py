"""Build one store by two processes at once, with delays and kills at random: it is whole, and built once.

    python benchmarks/build_pairs.py [--pairs 50] [--count 300] [--seed 0]

In a pair two processes of `phaselearn prepare` begin up to half a build apart; in most of them one or both are killed
(SIGKILL) at random, and a third ends what is left. Processes are forks of one that has the imports done. Prints a line
a pair, then one a figure, `name: value (at least|at most BOUND) ok|short`; exits 1 if one falls short.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from figures import Figures, state_machine
from prepare_kills import digests

from phaselearn.commands.main import main as phaselearn
from phaselearn.data.build import screen_source, write_pairs
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.data.store.storage import LocalStorage

OWN = {"pairs.zarr", "outputs", "work.txt", "0.txt", "1.txt", "2.txt"}
KILL, WAIT = 0.75, "waiting: another process"


def log_work(log: Path) -> None:
    """Note each block and each shard that this process writes, and each time that it puts a store into its place."""

    def noting(owner: Any, name: str, label: Any) -> None:
        function = getattr(owner, name)

        def noted(*arguments: Any, **options: Any) -> Any:
            result = function(*arguments, **options)
            with open(log, "a") as file:
                file.write(f"{label(arguments)}\n")
            return result

        setattr(owner, name, noted)

    noting(screen_source, "_screened", lambda _: "block")
    noting(write_pairs, "write_shards", lambda arguments: f"shard {arguments[4]}")
    noting(LocalStorage, "take_place_of", lambda _: "placed")


def prepare(folder: str, store: str, count: int, told: str) -> None:
    """Run `phaselearn prepare` in this process, its output in a file."""
    stream = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(stream, number)
    os.chdir(folder)
    log_work(Path(folder) / "work.txt")
    sys.argv = [
        *("phaselearn", "prepare", "data=hkl10_full", f"source.count={count}"),
        *(f"data.store={store}", "data.build.workers=1"),
    ]
    phaselearn()


@dataclass
class Pair:
    """The end of two processes that built one store.

    Attributes:
        codes: exit codes; −9 of one that was killed.
        texts: output of each process.
        work: how often each thing was made.
        killed: how many were killed.
    """

    codes: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    work: Counter[str] = field(default_factory=Counter)
    killed: int = 0

    def made_again(self, alone: Counter[str]) -> int:
        """Return how many blocks and shards were made more often than alone and the kills explain: one is lost in each.

        A store that was put into its place more than once counts in any case.
        """
        excess = self.work - alone
        placed = excess.pop("placed", 0)
        return placed + max(0, excess.total() - self.killed)


def run_pair(folder: Path, count: int, seconds: float, draw: random.Random) -> Pair:
    """Build a store in a folder by two processes, and by a third where both were killed."""
    context = multiprocessing.get_context("fork")
    pair = Pair()

    def begin(number: int) -> Any:
        store = ("pairs.zarr", "../here/pairs.zarr")[number % 2]  # two spellings of one place
        process = context.Process(target=prepare, args=(str(folder), store, count, str(folder / f"{number}.txt")))
        process.start()
        return process

    # A kill comes when the store is built, or soon after its end.
    plan = [
        (draw.uniform(0, seconds) * number / 2, draw.uniform(0, seconds) if draw.random() < KILL else None)
        for number in (0, 1)
    ]
    begun = time.monotonic()
    processes: list[Any] = []
    while len(processes) < 2 or any(process.exitcode is None for process in processes):
        now = time.monotonic() - begun
        if len(processes) < 2 and now >= plan[len(processes)][0]:
            processes.append(begin(len(processes)))
        for process, (delay, life) in zip(processes, plan, strict=False):
            if life is not None and now > delay + life and process.exitcode is None:
                process.kill()
        time.sleep(0.005)
    if all(process.exitcode == -9 for process in processes):
        processes.append(begin(2))
        processes[-1].join()
    pair.codes = [process.exitcode for process in processes]
    pair.killed = pair.codes.count(-9)
    texts = [folder / f"{number}.txt" for number in range(len(processes))]
    pair.texts = [path.read_text() if path.exists() else "" for path in texts]
    work = folder / "work.txt"
    pair.work = Counter(work.read_text().splitlines() if work.exists() else [])
    return pair


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pairs", type=int, default=50)
    arguments.add_argument("--count", type=int, default=300, help="crystals")
    arguments.add_argument("--seed", type=int, default=0, help="of the delays and kills")
    given = arguments.parse_args()
    state_machine()
    draw = random.Random(given.seed)
    context = multiprocessing.get_context("fork")
    # What every build begins with is done before the forks.
    for module in (
        "commands.prepare",
        "commands.session",
        "commands.settings",
        "data.datamodule",
        "data.preparation.observation",
    ):
        importlib.import_module(f"phaselearn.{module}")
    list(Prototypes(1, 0, "primitive"))
    whole, again, left, tracebacks, codes, waited, killed = 0, 0, 0, 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "here"
        folder.mkdir()
        start = time.monotonic()
        alone = context.Process(target=prepare, args=(str(folder), "pairs.zarr", given.count, str(folder / "0.txt")))
        alone.start()
        alone.join()
        seconds = time.monotonic() - start
        expected = digests(folder / "pairs.zarr")
        made = Counter((folder / "work.txt").read_text().splitlines())
        for number in range(given.pairs):
            shutil.rmtree(folder)
            folder.mkdir()
            pair = run_pair(folder, given.count, seconds, draw)
            same = digests(folder / "pairs.zarr") == expected
            rest = {entry.name for entry in folder.iterdir()} - OWN
            # That of a killed process, which nobody holds; the next build removes it.
            rest -= {"pairs.zarr.lock"} if pair.killed else set()
            errors = [line for text in pair.texts for line in text.splitlines() if line.startswith("error: ")]
            fine = {-9: True, 0: True, 2: all("exists already" in line for line in errors)}
            whole += same
            again += pair.made_again(made)
            left += len(rest)
            tracebacks += sum("Traceback" in text for text in pair.texts)
            codes += sum(not fine.get(code, False) for code in pair.codes)
            waited += any(WAIT in text for text in pair.texts)
            killed += pair.killed
            told = ", ".join("killed" if code == -9 else f"exit code {code}" for code in pair.codes)
            print(
                f"pair {number}: {told}: {'the same' if same else 'NOT the same'}{f', left: {rest}' if rest else ''}",
                flush=True,
            )
    figures = Figures()
    figures.state("seconds of a build alone", seconds)
    figures.state("pairs in which one waited", waited)
    figures.at_least("processes killed", killed, given.pairs / 4)
    figures.at_least("share of the stores that are that of a build alone, to the last byte", whole / given.pairs, 1)
    figures.at_most("stores, blocks and shards made again without a kill", again, 0)
    figures.at_most("tracebacks", tracebacks, 0)
    figures.at_most("exit codes that are neither 0 nor that of a store that is there", codes, 0)
    figures.at_most("folders and files left behind", left, 0)
    figures.finish()


if __name__ == "__main__":
    main()
