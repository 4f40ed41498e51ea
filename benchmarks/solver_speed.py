"""Seconds a crystal of the solver on the clock, starts included, with every core at work, and beside flipping.

    OMP_NUM_THREADS=1 python benchmarks/solver_speed.py --structures FILE [--count 128] [--processes 2] [--regimes …]

The crystals, the first of `phaselearn benchmark split=validation`, are dealt out to so many processes of one thread
each, which begin together; the time runs until the last has finished, without reading data or judging maps.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from figures import Figures, state_machine
from omegaconf import DictConfig, OmegaConf
from solver import contender_of, named_regimes, tested_crystals
from torch import multiprocessing

from phaselearn.benchmark.contenders import composed_option
from phaselearn.benchmark.regimes import Regime, batches
from phaselearn.commands.options import config_directory
from phaselearn.data.structures import Crystal

METHODS = ("charge_flipping", "solver")
GOAL = 0.2  # s a crystal on two cores
BATCH = 128


def phase_together(
    model: DictConfig,
    regime: Regime,
    crystals: Sequence[Crystal],
    begin: multiprocessing.Barrier,
    ran: multiprocessing.Queue,
) -> None:
    """Phase crystals when all processes are ready, and put begin and end into a queue, or None after an error."""
    try:
        ran.put(phase(model, regime, crystals, begin))
    except BaseException:
        begin.abort()
        ran.put(None)
        raise


def phase(
    model: DictConfig, regime: Regime, crystals: Sequence[Crystal], begin: multiprocessing.Barrier
) -> tuple[float, float]:
    """Return when the crystals began to be phased, which is when all processes were ready, and when they were done."""
    torch.set_num_threads(1)
    contender = contender_of(model)

    def prepared(some: Sequence[Crystal]) -> list[dict]:
        return [batch for _, batch in batches(some, regime, contender.preparation, frozenset(), BATCH, 0)]

    contender.run(prepared(crystals[:2])[0], regime)
    parts = prepared(sorted(crystals, key=lambda crystal: len(crystal.numbers)))
    begin.wait()
    began = time.perf_counter()
    for batch in parts:
        contender.run(batch, regime)
    return began, time.perf_counter()


def seconds(model: DictConfig, regime: Regime, crystals: Sequence[Crystal], processes: int) -> float:
    """Return how long the processes take together."""
    context = multiprocessing.get_context("spawn")
    begin, ran = context.Barrier(processes), context.Queue()
    shares = [crystals[number::processes] for number in range(processes)]
    workers = [context.Process(target=phase_together, args=(model, regime, share, begin, ran)) for share in shares]
    for worker in workers:
        worker.start()
    times = [ran.get() for _ in workers]
    for worker in workers:
        worker.join()
    if None in times:
        raise SystemExit("error: a process failed; its message is above")
    began, ended = zip(*times, strict=True)
    return max(ended) - min(began)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--structures", type=Path, required=True, help="JSON-lines file")
    arguments.add_argument("--count", type=int, default=128)
    arguments.add_argument("--processes", type=int, default=2)
    arguments.add_argument("--regimes", nargs="+", default=["full20", "full10", "d1.5", "d2.0"])
    given = arguments.parse_args()
    state_machine()
    crystals = tested_crystals(given.structures, given.count)
    figures = Figures()
    for regime in named_regimes(given.regimes):
        took = {}
        for name in METHODS:
            # The processes know nothing of the interpolations that this one has registered.
            model = composed_option(config_directory(), "model", name)
            model = OmegaConf.create(OmegaConf.to_container(model, resolve=True))
            took[name] = seconds(model, regime, crystals, given.processes) / len(crystals)
        figures.state(f"{regime.name}, {given.processes} processes, charge flipping, s a crystal", took[METHODS[0]])
        figures.at_most(f"{regime.name}, {given.processes} processes, solver, s a crystal", took[METHODS[1]], GOAL)
        figures.state(f"{regime.name}, flipping against the solver", took[METHODS[0]] / took[METHODS[1]])
    figures.finish()


if __name__ == "__main__":
    main()
