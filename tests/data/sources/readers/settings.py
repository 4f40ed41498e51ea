"""A random crystal in any setting of any space group, written as CIF with its symmetry stated in one way or another."""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np

# How a file may state its symmetry: the symbol with and without the origin or kind of axes, as the ICSD writes it, ….
WAYS = ("operations", "Hall", "extended", "ICSD", "name", "short", "number")
_ICSD = {"1": " S", "2": " Z", "H": " H", "R": " R"}
_DIGITS = 6


@dataclass(frozen=True)
class Drawn:
    """A crystal with three atoms on general positions, and its orbits by gemmi.

    Attributes:
        cell: a, b, c in Å and the angles in degrees, as written.
        sites: (3, 3) fractional, as written.
        numbers: (3,) atomic numbers.
        group: the setting.
    """

    cell: np.ndarray
    sites: np.ndarray
    numbers: np.ndarray
    group: gemmi.SpaceGroup

    def text(self, way: str, counted: bool) -> str:
        """Return the CIF; with its formula and Z where that is wanted."""
        tags = [f"_cell_length_{axis}" for axis in "abc"] + [
            f"_cell_angle_{name}" for name in ("alpha", "beta", "gamma")
        ]
        lines = ["data_drawn", *(f"{tag} {value:.{_DIGITS}f}" for tag, value in zip(tags, self.cell, strict=True))]
        if counted:
            formula = " ".join(f"{gemmi.Element(int(number)).name}1" for number in self.numbers)
            lines += [f"_chemical_formula_sum '{formula}'", f"_cell_formula_units_Z {len(self.group.operations())}"]
        lines += {
            "operations": ["loop_", "_space_group_symop_operation_xyz"]
            + [f"'{operation.triplet()}'" for operation in self.group.operations()],
            "Hall": [f"_space_group_name_Hall '{self.group.hall}'"],
            "extended": [f"_space_group_name_H-M_alt '{self.group.xhm()}'"],
            "ICSD": [f"_symmetry_space_group_name_H-M '{self.group.hm}{_ICSD.get(self.group.ext, '')}'"],
            "name": [f"_space_group_name_H-M_alt '{self.group.hm}'"],
            "short": [f"_symmetry_space_group_name_H-M {self.group.short_name()}"],
            "number": [f"_space_group_IT_number {self.group.number}"],
        }[way]
        lines += ["loop_", "_atom_site_label", *(f"_atom_site_fract_{axis}" for axis in "xyz")]
        for number, site in zip(self.numbers, self.sites, strict=True):
            lines.append(gemmi.Element(int(number)).name + "1 " + " ".join(f"{value:.{_DIGITS}f}" for value in site))
        return "\n".join(lines) + "\n"

    def amplitudes(self) -> np.ndarray:
        """Return |F| of point atoms, see `amplitudes`."""
        return amplitudes(np.repeat(self.numbers, len(self.group.operations())), _images(self.sites, self.group))


def amplitudes(numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return |F| of point atoms for a hundred indices from −6 to 6."""
    indices = np.random.default_rng(0).integers(-6, 7, size=(100, 3))
    return np.abs((numbers * np.exp(2j * np.pi * indices @ positions.T)).sum(1))


def draw(group: gemmi.SpaceGroup, seed: int) -> Drawn:
    """Return a crystal of a setting, in a cell that has no more symmetry than the group wants."""
    random = np.random.default_rng((group.number, seed))
    lattice = 14 * np.eye(3) + random.normal(scale=1.2, size=(3, 3))
    metrics = [
        turned.T @ lattice @ lattice.T @ turned
        for turned in (np.array(operation.rot) / gemmi.Op.DEN for operation in group.operations().sym_ops)
    ]
    metric = np.mean(metrics, axis=0)
    edges = np.sqrt(np.diag(metric))
    angles = [
        np.degrees(np.arccos(metric[first, second] / (edges[first] * edges[second])))
        for first, second in ((1, 2), (0, 2), (0, 1))
    ]
    cell = np.round([*edges, *angles], _DIGITS)
    sites: list[np.ndarray] = []
    while len(sites) < 3:
        site = np.round(random.uniform(size=3), _DIGITS)
        if _is_apart(np.array([*sites, site]), group, np.array(gemmi.UnitCell(*cell).orth.mat.tolist())):
            sites.append(site)
    return Drawn(cell, np.array(sites), random.choice([8, 14, 26, 56, 82], size=3, replace=False), group)


def _images(sites: np.ndarray, group: gemmi.SpaceGroup) -> np.ndarray:
    operations = list(group.operations())
    rotations, shifts = (np.array([getattr(each, part) for each in operations]) for part in ("rot", "tran"))
    return ((np.einsum("gij,nj->ngi", rotations, sites) + shifts) / gemmi.Op.DEN).reshape(-1, 3)


def _is_apart(sites: np.ndarray, group: gemmi.SpaceGroup, orthogonal: np.ndarray) -> bool:
    """Return whether no atom is near the last one, its own images included."""
    away = _images(sites, group) - sites[-1]
    distances = np.linalg.norm((away - np.round(away)) @ orthogonal.T, axis=1)
    return int((distances < 0.6).sum()) == 1  # Å; itself
