"""Measured sets, solved as `phaselearn solve` does it, beside their published structures.

    python benchmarks/solve_measured.py FOLDER [--d_min 0] [--given formula|elements|nothing] [--starts flipping]
                                               [--seconds 60]

FOLDER holds NAME.csv.gz (h, k, l, intensity, sigma) and NAME.json (cell, symmetry operations, sites, contents, probe,
wavelength) of each set. Prints a line a set and one line a figure, `name: value (at least|at most BOUND) ok|short`;
exits 1 if one falls short.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import torch
from figures import Figures, state_machine

from phaselearn.api import solve
from phaselearn.determination.reference import TOLERANCE, Atoms, atoms_of, expanded, superposed
from phaselearn.errors import UserError
from phaselearn.measured.cells import inverse_d_squared, lattice_of
from phaselearn.measured.reflection_data import Experiment, ReflectionData

PROBES = {"X-ray": "xray", "electron": "electron", "neutron": "neutron"}
FOUND = 0.9  # share of the atoms, from which on a structure is right


def data_of(folder: Path, name: str, known: Mapping[str, Any], given: str, d_min: float) -> ReflectionData:
    """Return a set, cut at a resolution in Å, with as much of its composition as is to be given."""
    with gzip.open(folder / f"{name}.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    hkl = np.array([[int(row[index]) for index in "hkl"] for row in rows], dtype=np.int32)
    intensity, sigma = (np.array([float(row[column]) for row in rows]) for column in ("intensity", "sigma"))
    cell = tuple(known["cell"])
    kept = (sigma > 0) & hkl.any(1)
    if d_min > 0:
        kept &= inverse_d_squared(hkl, cell) <= 1 / d_min**2
    contents = {} if given == "nothing" else dict(known["cell_contents"])
    if given == "elements":
        contents = dict.fromkeys(contents, 0.0)
    experiment = Experiment(cell=cell, wavelength=known["wavelength"], probe=PROBES[known["probe"]], contents=contents)
    return ReflectionData(
        hkl=hkl[kept], intensity=intensity[kept], sigma=sigma[kept], experiment=experiment, source=name
    )


def published(known: Mapping[str, Any]) -> Atoms:
    """Return the non-H atoms of the cell."""
    operations = [gemmi.Op(operation) for operation in known["symmetry_operations"]]
    sites = [
        (gemmi.Element(site["element"]).atomic_number, np.array([site[axis] for axis in "xyz"]), site["occupancy"])
        for site in known["sites"]
        if site["element"] != "D"
    ]
    rotations = np.array([operation.rot for operation in operations]) // gemmi.Op.DEN
    return expanded(sites, rotations, np.array([operation.tran for operation in operations]) / gemmi.Op.DEN)


def main() -> None:
    """Solve the sets of a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--d_min", type=float, default=0.0)
    parser.add_argument("--given", default="formula", choices=["formula", "elements", "nothing"])
    parser.add_argument("--starts", default="flipping")
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    state_machine()
    figures = Figures()
    false = total = 0.0
    for path in sorted(options.folder.glob("*.json")):
        known = json.loads(path.read_text())
        data = data_of(options.folder, path.stem, known, options.given, options.d_min)
        try:
            result = solve(data, starts=options.starts, seconds=options.seconds)
        except UserError as error:
            print(f"{path.stem}: {error}", flush=True)
            continue
        atoms, best = published(known), result.best
        found = real = elements = 0.0
        if best is not None:
            own = atoms_of(best)
            nearest, distance, real = superposed(atoms, own, lattice_of(best.cell))
            near = distance < TOLERANCE
            found = float(near.mean())
            elements = float((own[0][nearest] == atoms[0])[near].mean()) if near.any() else 0.0
            print(
                f"{path.stem}: {known['space_group_name']} → {best.space_group.symbol}, {best.formula}, "
                f"R1 {best.fit.r1:.3f}, {elements:.0%} of the elements, confidence {result.confidence:.2f}, "
                f"{len(result.trials)} trials, {result.seconds:.1f} s",
                flush=True,
            )
        total += result.seconds
        false += result.solved and min(found, real) < FOUND
        figures.at_least(f"{path.stem}, atoms found within 0.5 Å", found, FOUND)
    figures.state("seconds in all", total)
    figures.at_most("called solved but wrong", false, 0)
    figures.finish()


if __name__ == "__main__":
    main()
