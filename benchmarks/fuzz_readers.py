"""Read files of structures that went wrong, very many of them, and judge what is accepted by brute force.

    nice python benchmarks/fuzz_readers.py [--count 20000] [--seed 0] [--keep FOLDER]

One process reads the files, under limits of memory and time; it is started anew where it ends or takes too long. Prints
a line a fault, then one a figure, `name: value (at least|at most BOUND) ok|short`; exits 1 if one falls short.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from mutations import mutant
from pymatgen.core import Composition, Element, Lattice
from sound_files import SOUND

_WORKER = Path(__file__).with_name("fuzz_worker.py")
_LIMIT = 60.0  # seconds a file
_START = 120.0  # seconds for the imports
_CLOSEST = 0.5  # Å
_ROUNDING = 1e-4


class Reader:
    """The process that reads files, started anew when it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def read(self, path: Path) -> dict[str, Any]:
        """Return the outcome of a file: the answer of the worker, `crash`, or `hang`."""
        if self._process is None:
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            self._process = subprocess.Popen(
                [sys.executable, str(_WORKER)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            if "ready" not in self._answer(_START):
                raise RuntimeError("the process that reads does not start")
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        return self._answer(_LIMIT)

    def _answer(self, limit: float) -> dict[str, Any]:
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            answered = selector.select(limit)
        line = self._process.stdout.readline() if answered else ""
        if line.endswith("\n"):
            return json.loads(line)
        self.stop()
        return {"crash" if answered else "hang": True}

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def impossible(crystal: dict[str, Any]) -> str | None:
    """Return what is wrong with an accepted crystal, by other means than the readers', or None."""
    lattice, positions = np.array(crystal["lattice"]), np.array(crystal["positions"])
    numbers = crystal["numbers"]
    if not (np.isfinite(lattice).all() and np.isfinite(positions).all()):
        return "numbers that are not finite"
    if not numbers or abs(np.linalg.det(lattice)) < 1e-3:
        return "no volume or no atoms"
    if positions.shape != (len(numbers), 3) or positions.min() < 0 or positions.max() >= 1:
        return "positions outside the cell"
    atoms = Counter(Element.from_Z(number).symbol for number in numbers)
    stated = Composition(crystal["formula"])
    if any(abs(stated.get_atomic_fraction(symbol) - atoms[symbol] / len(numbers)) > 1e-6 for symbol in atoms):
        return "a formula of other atoms"
    if not 1 <= crystal["space_group"] <= 230:
        return "no space group"
    return "atoms too close" if _shortest(lattice, positions) < _CLOSEST - _ROUNDING else None


def _shortest(lattice: np.ndarray, positions: np.ndarray) -> float:
    """Return the shortest distance in Å, by every image of the LLL-reduced cell up to two cells away."""
    reduced = Lattice(lattice).get_lll_reduced_lattice().matrix
    places = positions @ lattice @ np.linalg.inv(reduced)
    places -= np.floor(places)
    images = np.array(list(product(range(-2, 3), repeat=3)))
    shortest = np.inf
    for place in places:
        distances = np.linalg.norm((places[:, None] - place + images) @ reduced, axis=-1)
        shortest = min(shortest, np.partition(distances.ravel(), 1)[1])
    return float(shortest)


def faults(numbers: Iterable[int], seed: int, keep: Path | None = None) -> tuple[list[str], Counter[str]]:
    """Read inputs and judge them.

    Args:
        numbers: numbers of the inputs.
        seed: seed of the inputs.
        keep: folder for those that show a fault.

    Returns:
        A line for each fault, `KIND: …`, and how many inputs were read, refused, and had crystals, by format.
    """
    reader, found, counts = Reader(), [], Counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            for number in numbers:
                kind, name, content = mutant(number, seed)
                path = Path(folder) / name
                path.write_bytes(content)
                told = reader.read(path)
                fault = _fault(told)
                if fault is not None:
                    found.append(f"{fault} [input {number}, seed {seed}, {name}]")
                    if keep is not None:
                        keep.mkdir(parents=True, exist_ok=True)
                        (keep / f"{number}_{name}").write_bytes(content)
                counts[f"{kind}, {'with' if told.get('crystals') else 'without'} a crystal"] += 1
                counts["peak"] = max(counts["peak"], told.get("peak", 0))
                path.unlink()
        finally:
            reader.stop()
    return found, counts


def _fault(told: dict[str, Any]) -> str | None:
    for kind in ("crash", "hang"):
        if kind in told:
            return kind
    if "traceback" in told:
        return f"traceback: {told['traceback'].strip().splitlines()[-1][:200]}"
    if "\n" in told.get("refused", ""):
        return "traceback: an error of several lines"
    if any("MemoryError" in reason for reason in told.get("reasons", [])):
        return "memory: more than the limit"
    wrong = next(filter(None, map(impossible, told.get("crystals", []))), None)
    return f"impossible: {wrong}" if wrong else None


def _shown(count: int) -> Iterator[int]:
    for number in range(count):
        if number % 1000 == 0:
            print(f"{number:,} of {count:,} inputs", file=sys.stderr, flush=True)
        yield number


def main() -> None:
    """Print the faults and the figures."""
    from figures import Figures, state_machine

    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=20_000, help="inputs")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--keep", type=Path, help="folder for inputs that show a fault")
    given = arguments.parse_args()
    state_machine()
    found, counts = faults(_shown(given.count), given.seed, given.keep)
    print(*found, sep="\n")
    figures = Figures()
    figures.at_least("inputs", given.count, 1)
    for kind in SOUND:
        crystals, others = counts[f"{kind}, with a crystal"], counts[f"{kind}, without a crystal"]
        figures.state(f"{kind}, inputs of which a crystal was read", crystals / max(crystals + others, 1))
    for kind in ("traceback", "crash", "hang", "memory", "impossible"):
        figures.at_most(f"faults: {kind}", sum(fault.startswith(kind) for fault in found), 0)
    figures.state("peak memory in MiB", counts["peak"])
    figures.finish()


if __name__ == "__main__":
    main()
