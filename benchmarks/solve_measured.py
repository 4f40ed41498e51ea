"""Measured sets, solved as `phaselearn solve` does it, beside their published structures.

    python benchmarks/solve_measured.py FOLDER [--d_min 0 1.0 1.2] [--given formula elements nothing]
                                               [--starts flipping unrolled random cctbx] [--seconds 60] [--csv FILE]
                                               [--composition_rounds 0]

FOLDER holds NAME.csv.gz (h, k, l, intensity, sigma) and NAME.json (cell, symmetry operations, sites, contents, probe,
wavelength) of each set. All starts make trial phases for the same search of atoms; those of cctbx come from its charge
flipping. Prints a line a solution and a line a figure, `name: value (at least|at most BOUND) ok|short`; exits 1 if one
falls short.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import torch
from figures import Figures, state_machine

from phaselearn.api import starts_named
from phaselearn.benchmark.peers import cctbx_phases
from phaselearn.crystal.observed import Observed
from phaselearn.determination.atoms import Atoms, expanded
from phaselearn.determination.determination import Determination
from phaselearn.determination.pipeline import determine_structure
from phaselearn.determination.reference import compared
from phaselearn.errors import UserError
from phaselearn.measured.cells import inverse_d_squared
from phaselearn.measured.reflection_data import Experiment, ReflectionData
from phaselearn.phasing.solution import Solution, TrialSolver
from phaselearn.solver.multi_start import MultiStart

PROBES = {"X-ray": "xray", "electron": "electron", "neutron": "neutron"}
FOUND = 0.9  # share of the atoms, from which on a structure is right
CCTBX_SECONDS = 10.0  # of processor time for one start


class CctbxStarts:
    """Charge flipping by cctbx as starts; they are seeded by their number."""

    def trial(self, observed: Observed, number: int) -> Solution:
        """Phase a crystal."""
        return Solution(cctbx_phases(observed, [number], CCTBX_SECONDS)[0])


def search_of(starts: str, composition_rounds: int) -> TrialSolver:
    """Return the search of `phaselearn solve`, whose refinement may be told the composition."""
    search = starts_named(starts, seed=0)
    assert isinstance(search, MultiStart)
    assert search.refinement is not None
    return replace(search, refinement=replace(search.refinement, composition_rounds=composition_rounds))


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


def entry_of(known: Mapping[str, Any], result: Determination) -> dict[str, Any]:
    """Return the line of a solution: what was found, beside what is published."""
    entry = {
        "laue": result.laue.chosen.laue_class.symbol,
        "published_group": known["space_group_name"],
        "confidence": round(result.confidence, 2),
        "solved": int(result.solved),
        "trials": len(result.trials),
        "seconds": round(result.seconds, 1),
    }
    best, against = result.best, compared(published(known), result)
    if best is None or against is None:
        return {**entry, "right": 0}
    return {
        **entry,
        "right": int(min(against.found, against.real) >= FOUND),
        "group": best.space_group.symbol,
        "group_right": int(best.space_group.number == known["space_group"]),
        "formula": best.formula,
        "r1": round(best.fit.r1, 3),
        "correlation": round(against.correlation, 3),
        "floor": round(against.floor, 3),
        "found": round(against.found, 2),
        "elements": round(against.elements, 2),
        "deviation": round(against.deviation, 3),
    }


def main() -> None:
    """Solve the sets of a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--d_min", type=float, nargs="+", default=[0.0])
    parser.add_argument("--given", default=["formula"], nargs="+", choices=["formula", "elements", "nothing"])
    parser.add_argument("--starts", default=["flipping"], nargs="+")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--composition_rounds", type=int, default=0, help="rounds of refinement that are told")
    parser.add_argument("--csv", default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    state_machine()
    figures = Figures()
    table: list[dict[str, Any]] = []
    for d_min, given, starts in itertools.product(options.d_min, options.given, options.starts):
        solver = CctbxStarts() if starts == "cctbx" else search_of(starts, options.composition_rounds)
        part: list[dict[str, Any]] = []
        for path in sorted(options.folder.glob("*.json")):
            known = json.loads(path.read_text())
            data = data_of(options.folder, path.stem, known, given, d_min)
            try:
                result = determine_structure(data, solver, starts, options.seconds)
            except UserError as error:
                print(f"{path.stem}, {d_min} Å: {error}", flush=True)
                continue
            first = {"name": path.stem, "d_min": d_min, "given": given, "starts": starts}
            part.append({**first, **entry_of(known, result)})
            print(*part[-1].values(), sep=", ", flush=True)
        table += part
        where = f"{f'd ≥ {d_min} Å' if d_min else 'all data'}, {given} given, {starts} starts"
        figures.state(f"{where}, sets", len(part))
        figures.state(f"{where}, right", sum(line["right"] for line in part))
        figures.state(f"{where}, seconds in all", sum(line["seconds"] for line in part))
    figures.at_most("called solved but wrong", sum(line["solved"] > line["right"] for line in table), 0)
    if options.csv:
        with Path(options.csv).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(key for line in table for key in line)))
            writer.writeheader()
            writer.writerows(table)
    figures.finish()


if __name__ == "__main__":
    main()
