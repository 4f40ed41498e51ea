"""A molecular crystal of 5 × 9 × 41 Å at 0.8 Å: whether it is solved, in how many seconds, and with how much memory.

    OMP_NUM_THREADS=1 python benchmarks/long_cell.py [--models solver charge_flipping] [--groups "P 21 21 21" "P -1"]
                                                     [--seeds 0 1 2]

The molecule is drawn: C, N and O in a chain with branches, bonds of 1.45 Å, 18 Å³ an atom. Each crystal is solved in a
process of its own, imports included in its memory. Prints one line a figure, `name: value (at least|at most BOUND)
ok|short`, and exits 1 if one falls short.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import gemmi
import numpy as np
import torch
from figures import Figures, state_machine
from hydra.utils import instantiate
from torch import Tensor

from phaselearn.benchmark.contenders import composed_option
from phaselearn.commands.options import config_directory
from phaselearn.crystal.judgement import judge
from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import inside_nyquist, miller_box
from phaselearn.crystal.observed import Observed, box_for
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.losses.mse import MeanSquaredError
from phaselearn.testing.batches import DEFINITION

CELLS = {"P 21 21 21": (5, 9, 41, 90, 90, 90), "P -1": (5, 9, 41, 84, 86, 81)}
D_MIN = 0.8  # Å
VOLUME_PER_ATOM, BOND = 18.0, 1.45
CLOSEST, NOT_BONDED, BRANCHES = 1.4, 2.2, 3  # Å; an atom has at most so many neighbours closer than not bonded ones
ELEMENTS = (6, 6, 6, 6, 7, 8)
PATIENCE = 3000  # places tried before a molecule that does not fit is started again
MEMORY = 1.5  # GB
SOLVED = 0.9


def crystal(group: str, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return lattice (1, 3, 3), numbers (1, A) and positions (1, A, 3) of a drawn molecule in all its places."""
    generator = np.random.default_rng(seed)
    cell = gemmi.UnitCell(*CELLS[group])
    lattice = np.array(cell.orth.mat.tolist()).T
    operations = [
        (np.array(operation.rot) / operation.DEN, np.array(operation.tran) / operation.DEN)
        for operation in gemmi.SpaceGroup(group).operations()
    ]
    count = int(cell.volume / VOLUME_PER_ATOM / len(operations))
    atoms, tried = [generator.random(3)], 0
    while len(atoms) < count:
        direction = generator.normal(size=3)
        parent = atoms[-1 if generator.random() < 0.8 else generator.integers(len(atoms))]
        new = parent + np.linalg.solve(lattice.T, BOND * direction / np.linalg.norm(direction))
        places = [turn @ atom + shift for atom in atoms for turn, shift in operations]
        places += [turn @ new + shift for turn, shift in operations[1:]]
        apart = np.array(places) - new
        distance = np.linalg.norm((apart - np.round(apart)) @ lattice, axis=1)
        if distance.min() < CLOSEST or (distance < NOT_BONDED).sum() > BRANCHES:
            tried += 1
            if tried > PATIENCE:
                atoms, tried = [generator.random(3)], 0
            continue
        atoms.append(new)
    everywhere = np.concatenate([np.array(atoms) @ turn.T + shift for turn, shift in operations]) % 1
    numbers = np.tile(generator.choice(ELEMENTS, size=count), len(operations))
    return torch.from_numpy(lattice)[None].float(), torch.from_numpy(numbers)[None], torch.from_numpy(everywhere)[None]


def observed_of(lattice: Tensor, numbers: Tensor, positions: Tensor) -> Observed:
    """Return all reflections of a crystal with d ≥ `D_MIN`."""
    shape = box_for((lattice[0].norm(dim=1) / D_MIN).int().tolist())
    mask = (inverse_d_squared(lattice, *miller_box(shape)) <= 1 / D_MIN**2) & inside_nyquist(shape)
    mask[:, 0, 0, 0] = False
    amplitude = structure_factors(lattice, numbers, positions, miller_box(shape)).abs()
    return Observed(amplitude * mask, mask, lattice)


def solve(model: str, group: str, seed: int) -> dict[str, float]:
    """Solve a crystal in this process, and return its figures."""
    torch.set_num_threads(1)
    lattice, numbers, positions = crystal(group, seed)
    observed = observed_of(lattice, numbers, positions)
    options = composed_option(config_directory(), "model", model)
    method = instantiate(options, loss=MeanSquaredError(), definition=DEFINITION).eval()
    began, processor = time.perf_counter(), time.process_time()
    solution = method.solve(observed, [seed])
    took = time.perf_counter() - began, time.process_time() - processor
    # Before the judge, whose memory is not the method's.
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    judgement, _ = judge(solution.factors, observed, numbers, positions)
    return {
        "reflections": observed.unique_reflections().item(),
        "atoms": numbers.shape[1],
        "seconds": took[0],
        "processor seconds": took[1],
        "memory": memory,
        "correlation": judgement.correlation.item(),
        "atoms found": judgement.atoms_found.item(),
    }


def main() -> None:
    """State the figures of every crystal, each from a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["solver", "charge_flipping"])
    parser.add_argument("--groups", nargs="+", default=list(CELLS), choices=list(CELLS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--here", action="store_true", help="solve the first one in this process, and print JSON")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(solve(options.models[0], options.groups[0], options.seeds[0])))
        return
    state_machine()
    figures = Figures()
    for model, group, seed in [(m, g, s) for m in options.models for g in options.groups for s in options.seeds]:
        command = [sys.executable, __file__, "--here", "--models", model, "--groups", group, "--seeds", str(seed)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = json.loads(told.splitlines()[-1])
        name = f"{model}, {group}, seed {seed}"
        for figure in ("reflections", "atoms", "seconds", "processor seconds", "atoms found"):
            figures.state(f"{name}, {figure}", found[figure])
        figures.at_most(f"{name}, peak memory in GB", found["memory"], MEMORY)
        figures.at_least(f"{name}, CC", found["correlation"], SOLVED)
    figures.finish()


if __name__ == "__main__":
    main()
