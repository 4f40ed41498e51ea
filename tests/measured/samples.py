"""Reflections for the tests: of random atoms in any space group, and the shared measured sets where they are."""

from __future__ import annotations

import csv
import gzip
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest

from phaselearn.measured.cells import Cell, inverse_d_squared, metric
from phaselearn.measured.merging import Rotations
from phaselearn.measured.reflection_data import Experiment, ReflectionData

# Name of each shared set, and its published Laue class.
MEASURED_SETS = {
    "nacl": "m-3m",
    "cssncl3_4003024": "m-3m",
    "fen4_2242624": "-1",
    "epoxide": "2/m",
    "cod_2200000": "2/m",
    "cod_2016452": "2/m",
}


def measured_set(name: str) -> tuple[ReflectionData, dict[str, Any]]:
    """Return a shared measured set as it is listed, and what is published of it; or skip with the reason."""
    shared = Path(os.environ.get("PHASELEARN_SHARED", Path(__file__).parents[3] / "shared" / "data"))
    folder = shared / "measured"
    if not folder.is_dir():
        pytest.skip("the shared measured sets are not here (PHASELEARN_SHARED names the folder beside them)")
    published = json.loads((folder / f"{name}.json").read_text())
    with gzip.open(folder / f"{name}.csv.gz", "rt") as file:
        rows = [row for row in csv.DictReader(file) if float(row["sigma"]) > 0]
    data = ReflectionData(
        hkl=np.array([[int(row[index]) for index in "hkl"] for row in rows], dtype=np.int32),
        intensity=np.array([float(row["intensity"]) for row in rows]),
        sigma=np.array([float(row["sigma"]) for row in rows]),
        experiment=Experiment(cell=tuple(published["cell"]), wavelength=published["wavelength"]),
        source=name,
    )
    return data, published


def reflections_within(cell: Cell, d_min: float) -> np.ndarray:
    """Return all indices (M, 3) up to a resolution in Å, but 000."""
    limits = np.floor(np.sqrt(np.diag(metric(cell))) / d_min).astype(int)
    box = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in limits), indexing="ij"), -1).reshape(-1, 3)
    square = inverse_d_squared(box, cell)
    return box[(square > 0) & (square <= d_min**-2)].astype(np.int32)


def operations_of(space_group: str) -> tuple[np.ndarray, np.ndarray]:
    """Return rotations (G, 3, 3) and translations (G, 3) of a space group, centring included, by gemmi."""
    operations = list(gemmi.SpaceGroup(space_group).operations())
    rotations = np.array([operation.rot for operation in operations]) // gemmi.Op.DEN
    return rotations, np.array([operation.tran for operation in operations]) / gemmi.Op.DEN


def intensities(
    hkl: np.ndarray, cell: Cell, space_group: str, atoms: int = 6, seed: int = 0, b_iso: float = 1.0
) -> np.ndarray:
    """Return |F|² (M,) of random point atoms of some space group, by direct summation."""
    generator = np.random.default_rng(seed)
    rotations, translations = operations_of(space_group)
    positions, numbers = generator.random((atoms, 3)), generator.integers(6, 18, atoms)
    factors = np.zeros(len(hkl), dtype=complex)
    for position, number in zip(positions, numbers, strict=True):
        images = rotations @ position + translations
        factors += number * np.exp(2j * np.pi * hkl @ images.T).sum(1)
    return np.abs(factors) ** 2 * np.exp(-b_iso / 2 * inverse_d_squared(hkl, cell))


def observed(
    hkl: np.ndarray, intensity: np.ndarray, cell: Cell, noise: float = 0.03, error: float = 0.03, seed: int = 0
) -> ReflectionData:
    """Return intensities as measured.

    Args:
        hkl: indices (M, 3); what is listed twice is measured twice.
        intensity: true intensities (M,).
        cell: a, b, c in Å, α, β, γ in degrees.
        noise: σ of counting, as a share of the mean intensity; σ states it.
        error: relative error of each intensity, which σ does not state.
        seed: seed of the random numbers.
    """
    generator = np.random.default_rng(seed)
    sigma = noise * intensity.mean() * np.sqrt(0.2 + intensity / intensity.mean())
    seen = intensity * (1 + error * generator.normal(size=len(hkl))) + sigma * generator.normal(size=len(hkl))
    return ReflectionData(
        hkl=hkl.astype(np.int32), intensity=seen, sigma=sigma, experiment=Experiment(cell=cell), source="simulated"
    )


def selected(data: ReflectionData, chosen: np.ndarray) -> ReflectionData:
    """Return some of the reflections: of a mask (M,) or of places."""
    return replace(data, hkl=data.hkl[chosen], intensity=data.intensity[chosen], sigma=data.sigma[chosen])


def point_group(space_group: str, inversion: bool = True) -> Rotations:
    """Return all rotations (R, 3, 3) of a space group, and on demand their products with −1."""
    rotations, _ = operations_of(space_group)
    return np.unique(np.concatenate((rotations, -rotations)) if inversion else rotations, axis=0)
