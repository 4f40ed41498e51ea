"""Molecules in the cell of a space group: where they may be, how they are packed, and what the cell then holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import gemmi
import numpy as np
import spglib

from phaselearn.data.sources.molecular.contacts import kinds_of, least_distances, usual_volume
from phaselearn.data.sources.molecular.molecule import Molecule
from phaselearn.data.sources.molecular.packing import Body, Packing, cartesian
from phaselearn.data.sources.space_groups import random_cell
from phaselearn.data.sources.structure_type import wrap
from phaselearn.data.sources.wyckoff import WyckoffPosition, primitive_vectors, wyckoff_positions

_FREEDOM = {"inversion": 0, "twofold": 1, "mirror": 2}  # free coordinates of a site with this symmetry
_DENSEST = 0.97  # volume that a packing begins with, relative to the usual one, on average
_VOLUME_SPREAD = 0.03  # standard deviation of its logarithm
_LARGEST = 1.22  # volume of the largest cell that is accepted, relative to the usual one
_STIFFEST_U = (0.012, 0.04)  # Å², range of the U of the stiffest atom
_U = (0.01, 0.10)  # Å², range of the U of all atoms


@dataclass(frozen=True, eq=False)
class PackedCell:
    """A primitive cell with all of its atoms.

    Attributes:
        group: number of the space group.
        lattice: primitive vectors (3, 3) in Å, as rows.
        numbers: atomic numbers (n,), hydrogen included.
        positions: fractional positions (n, 3).
        u_iso: displacement parameters (n,) in Å².
    """

    group: int
    lattice: np.ndarray
    numbers: np.ndarray
    positions: np.ndarray
    u_iso: np.ndarray

    def niggli(self, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """Return the Niggli-reduced lattice, the positions in it of some atoms (n,) bool, and 1, the lattice points.

        Raises:
            ValueError: spglib cannot reduce the lattice.
        """
        reduced = spglib.niggli_reduce(self.lattice)
        if reduced is None:
            raise ValueError("no reduced cell found")
        return self._on(reduced if np.linalg.det(reduced) > 0 else -reduced, kept, np.zeros((1, 3)))

    def conventional(self, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """Return the conventional lattice, the positions in it of some atoms (n,) bool, and how many lattice points.

        The positions at the first lattice point come first, then those at the next.
        """
        operations = gemmi.find_spacegroup_by_number(self.group).operations()
        points = np.array(list(operations.cen_ops)) / gemmi.Op.DEN
        return self._on(np.linalg.inv(primitive_vectors(self.group)) @ self.lattice, kept, points)

    def _on(self, lattice: np.ndarray, kept: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        positions = self.positions[kept] @ self.lattice @ np.linalg.inv(lattice)
        return lattice, wrap((positions + points[:, None]).reshape(-1, 3)), len(points)


def packed_cell(
    group: int,
    symmetry: str,
    molecules: Sequence[Molecule],
    companions: Sequence[Molecule],
    draw: np.random.Generator,
) -> PackedCell | None:
    """Return a cell with a random packing of molecules, or None where this one would take too much room.

    Args:
        group: number of the space group.
        symmetry: symmetry of the molecules and of their sites, `none`, `inversion`, `twofold` or `mirror`.
        molecules: the independent molecules.
        companions: other molecules and ions, in general positions.
        draw: random generator.
    """
    general = wyckoff_positions(group)[0]
    open_sites = [site for site in wyckoff_positions(group) if _suits(site, symmetry, general)]
    sites = [open_sites[draw.integers(len(open_sites))] for _ in molecules] + [general] * len(companions)
    symmetries = [symmetry] * len(molecules) + ["none"] * len(companions)
    molecules = [*molecules, *companions]
    usual = sum(
        site.multiplicity * usual_volume(molecule.numbers) for site, molecule in zip(sites, molecules, strict=True)
    )
    lattice = primitive_vectors(group) @ random_cell(group, draw)
    volume = usual * _DENSEST * math.exp(draw.normal(scale=_VOLUME_SPREAD))
    lattice *= (volume / abs(np.linalg.det(lattice))) ** (1 / 3)
    bodies, centres = [], []
    for site, molecule, own in zip(sites, molecules, symmetries, strict=True):
        turn, free = _orientation(site, own, lattice, draw)
        bodies.append(Body(molecule.positions @ turn, kinds_of(molecule.numbers, molecule.bonds), site, free))
        centres.append(draw.random(3) @ site.projection.T + site.offset)
    packed = Packing(lattice, bodies, centres, least_distances(), general.rotations).pack(_LARGEST * usual)
    if packed is None:
        return None
    stiffest = math.exp(draw.uniform(*np.log(_STIFFEST_U)))
    inverse = np.linalg.inv(packed.lattice)
    positions, numbers, u_iso = [], [], []
    for molecule, site, centre, atoms in zip(molecules, sites, packed.centres, packed.atoms, strict=True):
        images = np.einsum("kij,nj->kni", site.rotations, centre + atoms @ inverse) + site.translations[:, None]
        positions.append(images.reshape(-1, 3))
        numbers.append(np.tile(molecule.numbers, len(images)))
        u_iso.append(np.tile(np.clip(stiffest * molecule.mobility, *_U), len(images)))
    return PackedCell(group, packed.lattice, *map(np.concatenate, (numbers, positions, u_iso)))


def _suits(site: WyckoffPosition, symmetry: str, general: WyckoffPosition) -> bool:
    """Whether molecules of a symmetry may be on a site: a general one, or one with this operation and no other."""
    if symmetry == "none":
        return site is general
    return 2 * site.multiplicity == general.multiplicity and site.freedom == _FREEDOM[symmetry]


def _orientation(
    site: WyckoffPosition, symmetry: str, lattice: np.ndarray, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return a turn (3, 3) of rows that suits a site, and the projector (3, 3) on the axes of further turns."""
    if symmetry not in ("twofold", "mirror"):
        turn = np.linalg.qr(draw.normal(size=(3, 3)))[0]
        return turn * np.sign(np.linalg.det(turn)), np.eye(3)
    along = cartesian(site.projection, lattice)
    free = along if symmetry == "twofold" else np.eye(3) - along
    axis = np.linalg.eigh((free + free.T) / 2)[1][:, -1]
    across = np.cross(axis, draw.normal(size=3))
    across /= np.linalg.norm(across)
    return np.stack([across, np.cross(axis, across), axis]), free
