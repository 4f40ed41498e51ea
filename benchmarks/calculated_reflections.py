"""Reflections calculated as an experiment lists them: displaced atoms, errors, gaps, repetitions, and spoiled ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gemmi
import numpy as np
import torch
from numpy.typing import NDArray
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from phaselearn.crystal.lattice import inverse_d_squared
from phaselearn.crystal.layout import inside_nyquist, miller_box
from phaselearn.crystal.observed import box_for
from phaselearn.crystal.scattering import Scattering
from phaselearn.crystal.structure_factors import structure_factors
from phaselearn.data.sources.structure_type import Cell, choose_cell, symmetry_of
from phaselearn.measured.reflection_data import Experiment, ReflectionData
from phaselearn.structure.geometry import cell_of
from phaselearn.structure.lattice_points import primitive_basis
from phaselearn.structure.scattering_factors import dispersion

SYMMETRIC = 0.01  # Å, by which equivalent atoms may miss each other
SHELL = 40  # reflections whose intensities are permuted among each other
HIGHEST = 0.15  # Σ|I − ⟨I⟩|/ΣI of intensities that a false Laue class changes too little for being false
Intensities = NDArray[np.float64]


@dataclass(frozen=True)
class Kind:
    """A kind of experiment.

    Attributes:
        probe: `xray`, `electron` or `neutron`.
        wavelength: wavelength in Å.
        systematic: range of the relative error of an intensity that repetitions share.
        share: range of the share of reflections that are measured.
        mates: whether Friedel mates are measured apart, each with an error of its own.
        half_angle: degrees from the axis of a cone without reflections; 0 for none.
        regions: number of such cones.
    """

    probe: str
    wavelength: float
    systematic: tuple[float, float]
    share: tuple[float, float]
    mates: bool = False
    half_angle: float = 0.0
    regions: int = 0

    def measures(
        self, hkl: NDArray[np.int64], lattice: NDArray[np.float64], random: np.random.Generator
    ) -> NDArray[np.bool_]:
        """Return (H,) bool: which reflections are measured."""
        kept = random.random(len(hkl)) < random.uniform(*self.share)
        direction = hkl @ np.linalg.inv(lattice).T
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        for axis in random.normal(size=(self.regions, 3)):
            kept &= np.abs(direction @ axis) / np.linalg.norm(axis) < np.cos(np.deg2rad(self.half_angle))
        return kept


KINDS = {
    "lab": Kind("xray", 0.71073, (0.0, 0.05), (0.7, 0.98)),
    "ed": Kind("electron", 0.0251, (0.2, 0.4), (0.85, 1.0), mates=True, half_angle=30, regions=1),
    "dac": Kind("xray", 0.4, (0.05, 0.15), (0.8, 0.98), half_angle=45, regions=3),
    "neutron": Kind("neutron", 1.1, (0.0, 0.05), (0.7, 0.98)),
}


@dataclass(frozen=True)
class Spoiling:
    """Intensities that belong to no structure.

    Attributes:
        name: `shells`, `indices`, `laue`, or an empty text for sound intensities.
    """

    name: str

    def lattice(self, lattice: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the lattice that the file states: for a false Laue class one of right angles."""
        return np.diag(np.linalg.norm(lattice, axis=1)) if self.name == "laue" else lattice

    def __call__(
        self, hkl: NDArray[np.int64], s_square: Intensities, intensity: Intensities, random: np.random.Generator
    ) -> Intensities | None:
        """Return the intensities of the reflections, spoiled; None where they would not be false."""
        if self.name == "laue":
            return _averaged(hkl, intensity)
        size = {"shells": SHELL, "indices": len(hkl)}.get(self.name, 1)
        order = np.argsort(s_square, kind="stable")
        result = intensity.copy()
        for first in range(0, len(order), size):
            shell = order[first : first + size]
            result[shell] = intensity[random.permutation(shell)]
        return result


def _averaged(hkl: NDArray[np.int64], intensity: Intensities) -> Intensities | None:
    """Return intensities averaged under mmm; None where that changes them too little."""
    _, orbit = np.unique(np.abs(hkl), axis=0, return_inverse=True)
    mean = (np.bincount(orbit.ravel(), intensity) / np.bincount(orbit.ravel()))[orbit.ravel()]
    return mean if np.abs(mean - intensity).sum() > HIGHEST * intensity.sum() else None


def measured(
    row: dict[str, Any], d_range: tuple[float, float], kind: Kind, spoiling: Spoiling, given: str, seed: int
) -> ReflectionData | None:
    """Return the reflections of a structure as an experiment lists them; None where spoiled ones would not be false."""
    random = np.random.default_rng(seed)
    lattice = torch.tensor(row["lattice"], dtype=torch.float64)[None]
    numbers = torch.from_numpy(numbers_of(row))[None]
    positions = torch.tensor(row["frac_coords"], dtype=torch.float64)[None]
    d_min = random.uniform(*d_range)
    primitive = np.array(row.get("primitive", row["lattice"]))
    shape = box_for((lattice[0].norm(dim=1) / d_min).int().tolist())
    indices = miller_box(shape)
    square = inverse_d_squared(lattice, *indices)
    inside = (square <= 1 / d_min**2) & inside_nyquist(shape)
    inside[:, 0, 0, 0] = False
    # One for each element: equivalent atoms move alike, so the space group stays what it was.
    u_iso = torch.tensor(random.uniform(0.01, 0.06, 120))[numbers]
    factors = structure_factors(lattice, numbers, positions, indices, Scattering(kind.probe, u_iso=u_iso))
    hkl = np.stack([each.numpy() for each in torch.meshgrid(*indices, indexing="ij")], -1)[inside[0].numpy()]
    s_square = square[inside].numpy()
    factors = factors[inside].numpy()
    real, imaginary = _dispersed(hkl, s_square, numbers[0].numpy(), positions[0].numpy(), u_iso[0].numpy(), kind)
    intensity = np.abs(factors + real) ** 2 + np.abs(imaginary) ** 2
    in_primitive = hkl @ np.linalg.inv(lattice[0].numpy()).T @ primitive.T
    allowed = (np.abs(in_primitive - np.rint(in_primitive)) < 1e-3).all(1)
    hkl, intensity, s_square = (each[allowed] for each in (hkl, intensity, s_square))
    if not kind.mates:
        half = hkl @ np.array([1 << 40, 1 << 20, 1]) > 0
        hkl, intensity, s_square = (each[half] for each in (hkl, intensity, s_square))
    spoiled = spoiling(hkl, s_square, intensity, random)
    if spoiled is None:
        return None
    stated = spoiling.lattice(lattice[0].numpy())
    spoiled = spoiled * np.maximum(1 + random.uniform(*kind.systematic) * random.normal(size=len(hkl)), 0)
    kept = kind.measures(hkl, stated, random)
    repeats = random.integers(1, 4)
    hkl, intensity = np.repeat(hkl[kept], repeats, 0), np.repeat(spoiled[kept], repeats)
    sigma = np.hypot(random.uniform(0.02, 0.08) * intensity, random.uniform(0.005, 0.05) * intensity.mean())
    scale = 9999 / intensity.max()
    noisy = intensity + sigma * random.normal(size=len(hkl))
    signs = np.ones((len(hkl), 1)) if kind.mates else random.choice([-1, 1], size=(len(hkl), 1))
    experiment = Experiment(
        cell=cell_of(stated),
        wavelength=kind.wavelength,
        probe=kind.probe,
        contents=contents_of(row, given, random),
        operations=operations_of(row) if given == "space_group" else (),
    )
    return ReflectionData(
        hkl=(hkl * signs).astype(np.int32),
        intensity=noisy * scale,
        sigma=np.maximum(sigma * scale, 0.01),
        experiment=experiment,
        source=f"{row['id']} to {d_min:.2f} Å",
    )


def _dispersed(
    hkl: NDArray[np.int64],
    s_square: Intensities,
    numbers: NDArray[np.int64],
    positions: NDArray[np.float64],
    u_iso: NDArray[np.float64],
    kind: Kind,
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Return the structure factors (H,) of f′ alone and of f″ alone; |A|² + |B|² is the mean of Friedel mates."""
    real, imaginary = np.zeros((2, len(hkl)), dtype=np.complex128)
    for number in np.unique(numbers):
        chosen = numbers == number
        waves = np.exp(2j * np.pi * hkl @ positions[chosen].T).sum(1)
        waves *= np.exp(-2 * np.pi**2 * u_iso[chosen][0] * s_square)
        own = dispersion(gemmi.Element(int(number)).name, kind.probe, kind.wavelength)
        real += own[0] * waves
        imaginary += own[1] * waves
    return real, imaginary


def in_conventional_cell(row: dict[str, Any]) -> dict[str, Any]:
    """Return a structure in its conventional cell, with the primitive one beside it."""
    cell = (np.array(row["lattice"]), np.array(row["frac_coords"]), numbers_of(row))
    lattice, positions, numbers = choose_cell(cell, "conventional")
    symbols = [gemmi.Element(int(number)).name for number in numbers]
    primitive = primitive_basis(translations_of((lattice, positions, numbers))).T @ lattice
    return {**row, "lattice": lattice, "frac_coords": positions, "species": symbols, "primitive": primitive}


def translations_of(cell: Cell) -> NDArray[np.float64]:
    """Return the pure translations (C, 3) of a crystal."""
    found = symmetry_of(cell)
    return np.array([t for r, t in zip(found.rotations, found.translations, strict=True) if (r == np.eye(3)).all()])


def numbers_of(row: dict[str, Any]) -> NDArray[np.int64]:
    """Return the atomic numbers of a structure."""
    return np.array([gemmi.Element(symbol).atomic_number for symbol in row["species"]])


def contents_of(row: dict[str, Any], given: str, random: np.random.Generator) -> dict[str, float]:
    """Return the stated contents of the cell: those asked for, or at random the right ones, wrong ones or elements."""
    contents = {symbol: float(row["species"].count(symbol)) for symbol in dict.fromkeys(row["species"])}
    case = random.random()
    wrong, factor = random.choice(list(contents)), random.uniform(0.4, 1.6)
    if given == "nothing":
        return {}
    if given == "elements" or (given == "mixed" and case < 0.25):
        return dict.fromkeys(contents, 0.0)
    if given == "mixed" and case < 0.5:
        contents[wrong] = float(max(1, round(contents[wrong] * factor)))
    return contents


def operations_of(row: dict[str, Any]) -> tuple[str, ...]:
    """Return the triplets of a structure's space group, in its own axes."""
    structure = Structure(row["lattice"], row["species"], row["frac_coords"])
    found = SpacegroupAnalyzer(structure, symprec=SYMMETRIC).get_symmetry_operations()
    return tuple(gemmi.Op(operation.as_xyz_str()).triplet() for operation in found)
