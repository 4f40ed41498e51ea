"""Kill quickstart runs at random moments, by SIGKILL, SIGTERM or Ctrl-C, and resume them: each is as if never stopped.

    python benchmarks/run_kills.py [--runs 100] [--jobs 20] [--seeds 4] [--seed 0]

The quickstart is shortened to 400 crystals, 12 epochs, and a test of four crystals without pictures and other methods.
A run of each seed is left alone; the others must end with its weights, curves and results. Then a multirun of `--jobs`
runs in one process, its memory and open files counted after each. Prints a line a run, then one a figure,
`name: value (at least|at most BOUND) ok|short`; exits 1 if one falls short.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from figures import Figures, state_machine
from hydra.experimental.callback import Callback
from omegaconf import OmegaConf

HERE = Path(__file__).resolve().parent
SHORT = (
    *("source.count=400", "trainer.max_epochs=12", "data.batch_size=32", "data.build.folder=stores"),
    *("evaluation.crystals=4", "evaluation.shown=0", "evaluation.methods=[]"),
    *("trainer.enable_model_summary=false", "trainer.enable_progress_bar=false"),
)
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
MARKS = ("", "config.yaml", "last.ckpt")  # of a run: it starts, it trains, it has something to go on from


class Census(Callback):
    """Hydra callback: notes the process's memory in MiB and its open files after each job of a multirun."""

    def __init__(self, path: str) -> None:
        self.path = path

    def on_job_end(self, config: Any, job_return: Any, **_: Any) -> None:
        """Append a row."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        with open(self.path, "a") as file:
            file.write(f"{pages * os.sysconf('SC_PAGE_SIZE') / 2**20:.1f},{len(os.listdir('/proc/self/fd'))}\n")


@dataclass
class Workplace:
    """A folder of runs, and what was found in them."""

    folder: Path
    draw: random.Random
    seconds: dict[str, float] = field(default_factory=dict)  # from each mark to the end of an undisturbed run
    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys((each.name for each in SIGNALS), 0))
    peaks: list[float] = field(default_factory=list)  # MiB, of the process that finished a run
    left_running: int = 0

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a training in a session of its own, so that what it leaves running can be found."""
        (self.folder / "tmp").mkdir(exist_ok=True)
        python_path = os.pathsep.join((str(HERE), str(HERE.parent)))
        return subprocess.Popen(
            [sys.executable, str(HERE.parent / "train.py"), *arguments],
            cwd=self.folder,
            env={**os.environ, "TMPDIR": str(self.folder / "tmp"), "PYTHONPATH": python_path},
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "stderr.txt").open("ab"),
            start_new_session=True,
            # A shell has its background jobs ignore Ctrl-C, and they hand that on.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )

    def finish(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for a process; return its exit code and keep its peak of memory."""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.left_running += len(_session(process.pid))
        self.peaks.append(usage.ru_maxrss / 1024)
        return process.returncode

    def kill(self, process: subprocess.Popen[bytes], run: Path, mark: str) -> str | None:
        """Kill a run some time after a mark; return how, or None if it has ended before."""
        delay = self.draw.uniform(0, self.seconds[mark])
        sent = self.draw.choice(SIGNALS)
        while not (run / mark).exists() and process.poll() is None:
            time.sleep(0.005)
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            process.send_signal(sent)
            process.wait()
        self.left_running += len(_session(process.pid))
        if process.returncode == 0:
            return None
        self.kills[sent.name] += 1
        return f"{sent.name} {delay:.1f} s after {mark or 'the start'}"


def _session(leader: int) -> list[int]:
    """Return the processes that are still there of a session, zombies included."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader:
            found.append(int(entry.parent.name))
    return found


def reference(work: Workplace, seed: int) -> Path:
    """Run a seed without a kill; return its folder."""
    run = work.folder / f"whole_{seed}"
    process = work.start(*SHORT, f"seed={seed}", f"run={run.name}")
    begun = {"": time.monotonic()}
    while process.poll() is None:
        for mark in MARKS:
            if mark not in begun and (run / mark).exists():
                begun[mark] = time.monotonic()
        time.sleep(0.01)
    if process.returncode:
        sys.exit(f"the run of seed {seed} failed by itself: {work.folder / 'stderr.txt'}")
    for mark, moment in begun.items():
        work.seconds[mark] = max(work.seconds.get(mark, 0), time.monotonic() - moment)
    return run


def killed_run(work: Workplace, number: int, seed: int) -> tuple[Path, list[str]]:
    """Run a seed with one to three kills; return its folder and how it was killed."""
    run = work.folder / f"killed_{number}"
    told = []
    # Each attempt begins where a user would: with `resume=` where there is a run, else with the first command.
    for _ in range(work.draw.choice((1, 1, 2, 3))):
        how = work.kill(work.start(*_arguments(run, seed)), run, work.draw.choice(MARKS))
        if how is None:
            return run, told
        told.append(how)
    code = work.finish(work.start(*_arguments(run, seed)))
    return run, [*told, *([f"exit code {code}"] if code else [])]


def _arguments(run: Path, seed: int) -> tuple[str, ...]:
    return (f"resume={run.name}",) if (run / "config.yaml").exists() else (*SHORT, f"seed={seed}", f"run={run.name}")


def differences(run: Path, whole: Path, seed: int) -> list[str]:
    """Return how a run differs from the one that was left alone."""
    found = []
    if not (run / "results.csv").exists():
        return ["lost: no results"]
    for name in ("config.yaml", "training_set.json", "crystals.csv"):
        if (run / name).read_bytes() != (whole / name).read_bytes():
            found.append(name)
    if OmegaConf.load(run / "config.yaml").seed != seed:
        found.append("seed")
    found += [name for name in ("metrics.csv", "results.csv") if _rows(run / name) != _rows(whole / name)]
    for name in ("best.ckpt", "last.ckpt"):
        ours, theirs = (torch.load(folder / name, weights_only=True) for folder in (run, whole))
        same = all(torch.equal(ours["state_dict"][key], theirs["state_dict"][key]) for key in theirs["state_dict"])
        if not same or ours["global_step"] != theirs["global_step"]:
            found.append(name)
    if extra := _files(run) - _files(whole):
        found.append(f"left behind: {', '.join(sorted(extra))}")
    if missing := _files(whole) - _files(run):
        found.append(f"missing: {', '.join(sorted(missing))}")
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    """Return what a table holds, but the seconds that it took."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if value and key != "seconds"} for row in rows]


def _files(run: Path) -> set[str]:
    return {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}


def in_one_process(work: Workplace, jobs: int, figures: Figures) -> None:
    """Run a multirun; judge how memory and open files go on after the first quarter of its jobs."""
    path = work.folder / "census.csv"
    census = ("+hydra.callbacks.census._target_=run_kills.Census", f"+hydra.callbacks.census.path={path}")
    code = work.finish(work.start(*SHORT, *census, "-m", f"seed=range({jobs})", "hydra.sweep.dir=multirun"))
    rows = [tuple(map(float, line.split(","))) for line in path.read_text().splitlines()] if path.exists() else []
    figures.at_most("multirun, exit code", code, 0)
    figures.at_least("multirun, jobs in one process", len(rows), jobs)
    if len(rows) < 4:
        return
    settled = len(rows) // 4
    figures.state("multirun, memory in MiB after a quarter of the jobs", rows[settled][0])
    figures.at_most("multirun, memory after the last job against that", rows[-1][0] / rows[settled][0], 1.1)
    figures.at_most("multirun, open files more after the last job than then", rows[-1][1] - rows[settled][1], 0)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=100)
    arguments.add_argument("--jobs", type=int, default=20, help="of the multirun in one process")
    arguments.add_argument(
        "--seeds", type=int, default=4, help="of the runs, in turns; each has one that is left alone"
    )
    arguments.add_argument("--seed", type=int, default=0, help="of the kills")
    given = arguments.parse_args()
    state_machine()
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        work = Workplace(Path(folder), random.Random(given.seed))
        whole = [reference(work, seed) for seed in range(given.seeds)]
        shared, temporary = _shared_memory(), _entries(work.folder / "tmp")
        lost, other = 0, 0
        for number in range(given.runs):
            seed = number % given.seeds
            run, told = killed_run(work, number, seed)
            found = differences(run, whole[seed], seed)
            lost += found[:1] == ["lost: no results"]
            other += bool(found)
            print(f"run {number}: {', '.join(told) or 'ended before its kill'}: {', '.join(found) or 'the same'}")
            sys.stdout.flush()
        for name, count in work.kills.items():
            figures.state(f"kills by {name}", count)
        figures.at_least("kills", sum(work.kills.values()), given.runs / 2)
        figures.at_most("runs lost", lost, 0)
        figures.at_most("runs that are not the one left alone, in weights, curves, results or files", other, 0)
        quarter = max(1, len(work.peaks) // 4)
        first, last = statistics.median(work.peaks[:quarter]), statistics.median(work.peaks[-quarter:])
        figures.state("peak memory of a run in MiB", last)
        figures.at_most("peak memory of the last quarter of the runs against the first", last / first, 1.05)
        figures.at_most("processes left running", work.left_running, 0)
        figures.at_most("files left in shared memory", len(_shared_memory() - shared), 0)
        figures.at_most("files left in the temporary folder", len(_entries(work.folder / "tmp") - temporary), 0)
        in_one_process(work, given.jobs, figures)
    figures.finish()


def _shared_memory() -> set[str]:
    """Return what is in shared memory and belongs to no living process."""
    mapped = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            lines = maps.read_text().splitlines()
        except OSError:
            continue
        mapped |= {line.rpartition("/dev/shm/")[2] for line in lines if "/dev/shm/" in line}
    return _entries(Path("/dev/shm")) - mapped


def _entries(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() else set()


if __name__ == "__main__":
    main()
