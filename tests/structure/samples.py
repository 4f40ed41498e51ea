"""Calculated crystals: their atoms, merged intensities, and disturbed phases about any origin, of either hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gemmi
import numpy as np
import torch

from phaselearn.measured.merging import Merged, expanded, merge
from phaselearn.measured.reflection_data import Experiment, ReflectionData

_U = 0.02  # Å²


@dataclass(frozen=True)
class Crystal:
    """A crystal by gemmi's operations, with no help of the package under test."""

    symbol: str
    cell: tuple[float, float, float, float, float, float]
    elements: tuple[str, ...]
    sites: np.ndarray  # (A, 3)
    probe: str = "xray"

    @property
    def operations(self) -> list[gemmi.Op]:
        return list(gemmi.find_spacegroup_by_name(self.symbol).operations())

    @property
    def lattice(self) -> np.ndarray:
        return np.array(gemmi.UnitCell(*self.cell).orth.mat.tolist()).T

    @property
    def rotations(self) -> np.ndarray:
        own = np.array([operation.rot for operation in self.operations]) // gemmi.Op.DEN
        return np.unique(np.concatenate((own, -own)), axis=0)

    def atoms(self) -> tuple[list[str], np.ndarray]:
        """Elements and positions (N, 3) of all atoms of the cell."""
        elements, positions = [], []
        for element, site in zip(self.elements, self.sites, strict=True):
            images: list[np.ndarray] = []
            for operation in self.operations:
                image = np.array(operation.apply_to_xyz(site.tolist()))
                if all(np.abs((image - other) - np.round(image - other)).max() > 1e-3 for other in images):
                    images.append(image)
            elements += [element] * len(images)
            positions += images
        return elements, np.array(positions)

    def contents(self) -> dict[str, float]:
        elements, _ = self.atoms()
        return {element: float(elements.count(element)) for element in self.elements}

    def experiment(self, contents: Mapping[str, float] | None = None, wavelength: float | None = None) -> Experiment:
        """The experiment with these contents, or the right ones."""
        return Experiment(
            cell=self.cell,
            contents=self.contents() if contents is None else contents,
            probe=self.probe,
            wavelength=wavelength,
        )

    def factors(self, hkl: np.ndarray, wavelength: float | None = None) -> np.ndarray:
        """F (M,) by a sum over all atoms with gemmi's tables, f′ + if″ included where there is a wavelength in Å."""
        square = np.square(hkl @ np.linalg.inv(self.lattice).T).sum(1)
        total = np.zeros(len(hkl), dtype=complex)
        for element, position in zip(*self.atoms(), strict=True):
            table = gemmi.Element(element).it92
            form = sum(a * np.exp(-b * square / 4) for a, b in zip(table.a, table.b, strict=True)) + table.c
            if self.probe == "neutron":
                form = gemmi.Element(element).neutron92.get_coefs()[0] + 0 * square
            if wavelength:
                element_number = gemmi.Element(element).atomic_number
                form = form + complex(*gemmi.cromer_liberman(z=element_number, energy=12398.42 / wavelength))
            total += form * np.exp(-2 * math.pi**2 * _U * square + 2j * math.pi * hkl @ position)
        return total

    def reflections(self, d_min: float) -> np.ndarray:
        """All hkl (M, 3) but 000."""
        most = (np.linalg.norm(self.lattice, axis=1) / d_min).astype(int)
        axes = [np.arange(-limit, limit + 1) for limit in most]
        hkl = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
        return hkl[(np.square(hkl @ np.linalg.inv(self.lattice).T).sum(1) <= d_min**-2) & hkl.any(1)]

    def merged(self, d_min: float, noise: float, seed: int) -> Merged:
        """Merged intensities on some scale; each equivalent has normal errors of `noise`·I and of a little more."""
        hkl = self.reflections(d_min)
        intensity = 3.7 * np.abs(self.factors(hkl)) ** 2
        sigma = noise * intensity + 0.002 * intensity.mean() + 1e-6
        data = ReflectionData(
            hkl=hkl.astype(np.int32),
            intensity=intensity + sigma * np.random.default_rng(seed).normal(size=len(hkl)),
            sigma=sigma,
            experiment=Experiment(cell=self.cell),
            source="calculated",
        )
        return merge(data, self.rotations)

    def phased(self, d_min: float, error: float, seed: int) -> torch.Tensor:
        """An FFT box of F, sharpened, with phases that are wrong by `error` degrees on average, origin and hand random.

        Errors are those of P1: equivalents have errors of their own.
        """
        generator = np.random.default_rng(seed)
        hkl = self.reflections(d_min)
        hkl = hkl[[tuple(row) > (0, 0, 0) for row in hkl.tolist()]]
        square = np.square(hkl @ np.linalg.inv(self.lattice).T).sum(1)
        values = self.factors(hkl) * np.exp(2 * math.pi**2 * _U * square) * np.exp(-0.5 * square)
        spread = np.deg2rad(error) * math.sqrt(math.pi / 2)
        values = values * np.exp(1j * spread * generator.normal(size=len(hkl)))
        values = values * np.exp(2j * math.pi * hkl @ generator.random(3))
        if generator.random() < 0.5:
            values = values.conj()
        return _boxed(hkl, values)

    def observed(self, merged: Merged, error: float, seed: int) -> torch.Tensor:
        """An FFT box of measured |F|, sharpened, with the phases of these atoms, disturbed as in `phased`."""
        hkl, intensity, _ = expanded(merged)
        positive = np.array([tuple(row) > (0, 0, 0) for row in hkl.tolist()])
        hkl, intensity = hkl[positive].astype(np.int64), intensity[positive]
        square = np.square(hkl @ np.linalg.inv(self.lattice).T).sum(1)
        elements, _ = self.atoms()
        tables = [gemmi.Element(element).it92 for element in elements]
        mean = np.sqrt(
            sum(
                np.square(sum(a * np.exp(-b * square / 4) for a, b in zip(table.a, table.b, strict=True)) + table.c)
                for table in tables
            )
        )
        fall = np.exp(2 * math.pi**2 * _U * square) * np.exp(-square)
        values = np.sqrt(np.maximum(intensity, 0)) / mean * fall * np.exp(1j * np.angle(self.factors(hkl)))
        generator = np.random.default_rng(seed)
        values = values * np.exp(1j * np.deg2rad(error) * math.sqrt(math.pi / 2) * generator.normal(size=len(hkl)))
        return _boxed(hkl, values * np.exp(2j * math.pi * hkl @ generator.random(3)))

    def found(
        self, elements: list[str], positions: np.ndarray, tolerance: float, hands: tuple[int, ...] = (1, -1)
    ) -> float:
        """Share of the atoms of the cell with one of the same element within `tolerance` Å, origin and hand free.

        A list of `*` stands for atoms of whatever element.
        """
        own, places = self.atoms()
        if "*" in elements:
            own = ["*"] * len(own)
            anchor = 0
        else:
            anchor = int(np.argmax([gemmi.Element(element).atomic_number for element in own]))
        best = 0.0
        for sign in hands:
            for element, position in zip(elements, positions, strict=True):
                if element != own[anchor]:
                    continue
                difference = places[:, None] - sign * positions - (places[anchor] - sign * position)
                difference -= np.round(difference)
                near = np.linalg.norm(difference @ self.lattice, axis=-1) < tolerance
                same = np.array(own)[:, None] == np.array(elements)
                best = max(best, float((near & same).any(1).mean()))
        return best


def _boxed(hkl: np.ndarray, values: np.ndarray) -> torch.Tensor:
    """The FFT box of structure factors of one of each Friedel pair."""
    shape = 2 * np.abs(hkl).max(0) + 2
    box = np.zeros(shape, dtype=complex)
    box[tuple((hkl % shape).T)] = values
    box[tuple((-hkl % shape).T)] = values.conj()
    return torch.from_numpy(box)


def published_crystal(published: dict[str, Any]) -> Crystal:
    """The published atoms of a measured set but hydrogen, those that fill at least half of their site."""
    sites = [site for site in published["sites"] if site["element"] != "H" and site["occupancy"] >= 0.5]
    return Crystal(
        gemmi.find_spacegroup_by_ops(gemmi.GroupOps(list(map(gemmi.Op, published["symmetry_operations"])))).xhm(),
        tuple(published["cell"]),
        tuple(site["element"] for site in sites),
        np.array([[site[axis] for axis in "xyz"] for site in sites]),
    )


def random_crystal(
    symbol: str,
    cell: tuple[float, float, float, float, float, float],
    elements: tuple[str, ...],
    seed: int,
    special: dict[str, tuple[float, float, float]] | None = None,
    probe: str = "xray",
) -> Crystal:
    """A crystal of atoms at random general positions, no two of them closer than 1.4 Å, after those at given places.

    Args:
        symbol: symbol of the setting, as gemmi knows it.
        cell: lengths in Å and angles in degrees.
        elements: elements of the atoms in general positions.
        seed: seed of the positions.
        special: places of further atoms, {element: position}.
        probe: `xray` or `neutron`.
    """
    generator = np.random.default_rng(seed)
    names, sites = list(special or {}), [np.array(place) for place in (special or {}).values()]
    lattice = np.array(gemmi.UnitCell(*cell).orth.mat.tolist()).T
    for element in elements:
        while True:
            trial = Crystal(symbol, cell, (*names, element), np.array([*sites, generator.random(3)]))
            _, positions = trial.atoms()
            difference = positions[:, None] - positions
            difference -= np.round(difference)
            distance = np.linalg.norm(difference @ lattice, axis=-1)
            if distance[~np.eye(len(distance), dtype=bool)].min(initial=9.0) > 1.4:
                names.append(element)
                sites.append(trial.sites[-1])
                break
    return Crystal(symbol, cell, tuple(names), np.array(sites), probe)
