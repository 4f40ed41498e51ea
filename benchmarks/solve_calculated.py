"""Crystals calculated as they are measured, and solved: how many, how soon, and how well the confidence knows it.

    python benchmarks/solve_calculated.py STRUCTURES.jsonl.gz [--count 100] [--first 0] [--seconds 15] [--csv FILE]
                                          [--scrambled] [--d_min 0.7 1.6] [--starts flipping]

X-ray intensities with displacements of 0.01 to 0.06 Å², noise of 2 to 8 % and a share of the mean intensity, 2 to 30 %
missing, measured one to three times, at a resolution drawn from a range. With --scrambled, intensities are permuted in
shells of resolution: nothing can be solved then, and nothing may be called so. Prints a line a crystal and a table.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import time
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import torch
from figures import state_machine

from phaselearn.api import starts_named
from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import inside_nyquist, miller_box
from phaselearn.crystal.observed import box_for
from phaselearn.crystal.scattering import Scattering
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.determination.confidence import features
from phaselearn.determination.pipeline import determine_structure
from phaselearn.determination.reference import TOLERANCE, atoms_of, superposed
from phaselearn.measured.reflection_data import Experiment, ReflectionData
from phaselearn.structure.geometry import cell_of

SHELL = 40  # reflections whose intensities are permuted among each other
RIGHT = 0.9  # share of the atoms found, and of the solution's atoms that are real


def measured(row: dict[str, Any], d_range: tuple[float, float], scrambled: bool, seed: int) -> ReflectionData:
    """Return the reflections of a structure as an experiment lists them."""
    random = np.random.default_rng(seed)
    lattice = torch.tensor(row["lattice"], dtype=torch.float64)[None]
    numbers = torch.tensor([gemmi.Element(symbol).atomic_number for symbol in row["species"]])[None]
    positions = torch.tensor(row["frac_coords"], dtype=torch.float64)[None]
    d_min = random.uniform(*d_range)
    shape = box_for((lattice[0].norm(dim=1) / d_min).int().tolist())
    indices = miller_box(shape)
    square = inverse_d_squared(lattice, *indices)
    inside = (square <= 1 / d_min**2) & inside_nyquist(shape)
    inside[:, 0, 0, 0] = False
    # One for each element: equivalent atoms move alike, so the space group stays what it was.
    u_iso = torch.tensor(random.uniform(0.01, 0.06, 120))[numbers]
    scattering = Scattering("xray", u_iso=u_iso)
    factors = structure_factors(lattice, numbers, positions, indices, scattering)
    hkl = np.stack([each.numpy() for each in torch.meshgrid(*indices, indexing="ij")], -1)[inside[0].numpy()]
    intensity = factors.abs().square()[inside].numpy()
    s_square = square[inside].numpy()
    half = hkl @ np.array([1 << 40, 1 << 20, 1]) > 0
    hkl, intensity, s_square = (each[half] for each in (hkl, intensity, s_square))
    if scrambled:
        order = np.argsort(s_square, kind="stable")
        for first in range(0, len(order), SHELL):
            shell = order[first : first + SHELL]
            intensity[shell] = intensity[random.permutation(shell)]
    kept = random.random(len(hkl)) > random.uniform(0.02, 0.3)
    repeats = random.integers(1, 4)
    hkl, intensity = np.repeat(hkl[kept], repeats, 0), np.repeat(intensity[kept], repeats)
    mean = intensity.mean()
    sigma = np.hypot(random.uniform(0.02, 0.08) * intensity, random.uniform(0.005, 0.05) * mean)
    scale = 9999 / intensity.max()
    noisy = intensity + sigma * random.normal(size=len(hkl))
    signs = random.choice([-1, 1], size=(len(hkl), 1))
    edges = cell_of(np.array(row["lattice"]))
    contents = {symbol: float(row["species"].count(symbol)) for symbol in dict.fromkeys(row["species"])}
    return ReflectionData(
        hkl=(hkl * signs).astype(np.int32),
        intensity=noisy * scale,
        sigma=np.maximum(sigma * scale, 0.01),
        experiment=Experiment(cell=edges, wavelength=0.71073, probe="xray", contents=contents),
        source=f"{row['id']} to {d_min:.2f} Å",
    )


def main() -> None:
    """Solve the crystals of a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("structures")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--csv", default=None)
    parser.add_argument("--scrambled", action="store_true")
    parser.add_argument("--molecular", action="store_true")
    parser.add_argument("--d_min", type=float, nargs=2, default=(0.7, 1.6))
    parser.add_argument("--starts", default="flipping")
    options = parser.parse_args()
    torch.set_num_threads(1)
    state_machine()
    with gzip.open(options.structures, "rt") as file:
        rows = [json.loads(line) for line in file]
    if options.molecular:
        rows = [row for row in rows if {"C", "H"} <= set(row["species"])]
    chosen = np.random.default_rng(0).permutation(len(rows))[options.first : options.first + options.count]
    starts = starts_named(options.starts, seed=0)
    table = []
    for place in chosen.tolist():
        row = rows[place]
        data = measured(row, tuple(options.d_min), options.scrambled, place)
        began = time.perf_counter()
        try:
            found = determine_structure(data, starts, options.starts, options.seconds)
        except Exception as error:  # a line a crystal, whatever happens
            print(row["id"], type(error).__name__, error, flush=True)
            continue
        best = found.best
        known = np.array([gemmi.Element(symbol).atomic_number for symbol in row["species"]])
        known, places = known[known > 1], np.array(row["frac_coords"])[known > 1]
        share = real = 0.0
        if best is not None and len(known):
            _, distance, real = superposed((known, places), atoms_of(best), np.array(row["lattice"]))
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
