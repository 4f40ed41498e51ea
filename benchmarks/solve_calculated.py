"""Crystals calculated as they are measured, and solved: how many, how soon, and how well the confidence knows it.

    python benchmarks/solve_calculated.py STRUCTURES.jsonl.gz [--count 100] [--first 0] [--seconds 15] [--csv FILE]
                [--kind lab|ed|dac|neutron] [--false shells|indices|laue] [--d_min 0.7 1.6] [--molecular]
                [--starts flipping] [--given mixed|nothing|elements|formula|space_group] [--split validation]
                [--cell primitive|conventional]

`--kind lab` are X-ray intensities with displacements of 0.01 to 0.06 Å², noise, 2 to 30 % missing, measured one to
three times; `ed` electrons, with errors of 20 to 40 % that repetitions share and a missing wedge of 60°; `dac` those of
a pressure cell, where whole regions are missing; `neutron` like `lab`. With `--given mixed` a quarter of the crystals
has wrong numbers of atoms stated, another quarter none; `space_group` states the formula, too. `--false` spoils the
intensities: permuted in `shells` of resolution, given to other `indices`, or averaged under a `laue` class that is too
high, in a cell that obeys it. Nothing may be called solved then that is not right. `--cell conventional` takes centred
crystals alone, in the cells of the International Tables, without the reflections that the centring forbids. Known
crystals and networks are of the training split: `--split` leaves it out. Prints a line a crystal and a table.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import time
from pathlib import Path

import gemmi
import numpy as np
import torch
from calculated_reflections import KINDS, Spoiling, in_conventional_cell, measured, numbers_of
from figures import state_machine

from phaselearn.api import starts_named
from phaselearn.data.formula import reduced_formula
from phaselearn.data.split import SPLITS, split_of
from phaselearn.determination.atoms import atoms_of
from phaselearn.determination.confidence import features
from phaselearn.determination.pipeline import determine_structure
from phaselearn.determination.reference import TOLERANCE, superposed
from phaselearn.measured.cells import lattice_of

RIGHT = 0.9  # share of the atoms found, and of the solution's atoms that are real


def main() -> None:
    """Solve the crystals of a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("structures")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--csv", default=None)
    parser.add_argument("--kind", default="lab", choices=KINDS)
    parser.add_argument("--false", default="", choices=["", "shells", "indices", "laue"])
    parser.add_argument("--molecular", action="store_true")
    parser.add_argument("--split", default="all", choices=["all", *SPLITS])
    parser.add_argument("--d_min", type=float, nargs=2, default=(0.7, 1.6))
    parser.add_argument("--starts", default="flipping")
    parser.add_argument("--cell", default="primitive", choices=["primitive", "conventional"])
    parser.add_argument("--given", default="mixed", choices=["mixed", "nothing", "elements", "formula", "space_group"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    state_machine()
    with gzip.open(options.structures, "rt") as file:
        rows = [json.loads(line) for line in file]
    if options.molecular:
        rows = [row for row in rows if {"C", "H"} <= set(row["species"])]
    if options.split != "all":
        rows = [row for row in rows if split_of(reduced_formula(numbers_of(row))) == options.split]
    if options.cell == "conventional":
        rows = [row for row in rows if gemmi.find_spacegroup_by_number(row["spacegroup"]).centring_type() != "P"]
    chosen = np.random.default_rng(0).permutation(len(rows))[options.first : options.first + options.count]
    starts = starts_named(options.starts, seed=0)
    table = []
    for place in chosen.tolist():
        row = in_conventional_cell(rows[place]) if options.cell == "conventional" else rows[place]
        data = measured(row, tuple(options.d_min), KINDS[options.kind], Spoiling(options.false), options.given, place)
        if data is None:
            continue
        began = time.perf_counter()
        try:
            found = determine_structure(data, starts, options.starts, options.seconds)
        except Exception as error:  # a line a crystal, whatever happens
            print(row["id"], type(error).__name__, error, flush=True)
            continue
        best = found.best
        known = numbers_of(row)
        seen = (known > 1) | (options.kind == "neutron")
        known, places = known[seen], np.array(row["frac_coords"])[seen]
        share = real = 0.0
        if best is not None and len(known):
            _, distance, real = superposed((known, places), atoms_of(best), lattice_of(best.cell))
            share = float((distance < TOLERANCE).mean())
        entry = {
            "id": row["id"],
            "formula": row["formula"],
            "number": row["spacegroup"],
            "atoms": len(known),
            "d_min": round(found.merged.statistics.d_min, 2),
            "unique": len(found.merged),
            "found": round(share, 3),
            "real": round(real, 3),
            "right": int(share >= RIGHT and real >= RIGHT * 0.9),
            "solved": int(found.solved),
            "confidence": round(found.confidence, 3),
            "group": best.space_group.number if best else 0,
            "trials": len(found.trials),
            "seconds": round(time.perf_counter() - began, 2),
            **({key: round(value, 4) for key, value in features(best).items()} if best else {}),
        }
        table.append(entry)
        print(*entry.values(), flush=True)
    if options.csv:
        with Path(options.csv).open("w", newline="") as file:
            writer = csv.DictWriter(file, sorted({key for entry in table for key in entry}))
            writer.writeheader()
            writer.writerows(table)
    right, solved = (np.array([entry[key] for entry in table], dtype=bool) for key in ("right", "solved"))
    print(f"crystals: {len(table)}, right: {right.sum()}, called solved: {solved.sum()}")
    print(f"called solved but wrong: {(solved & ~right).sum()}, right but not called so: {(right & ~solved).sum()}")
    same = [entry["group"] == entry["number"] for entry in table if entry["right"]]
    print(f"space group right, of the structures that are: {sum(same)}")
    print(f"median seconds: {np.median([entry['seconds'] for entry in table]):.2f}")


if __name__ == "__main__":
    main()
