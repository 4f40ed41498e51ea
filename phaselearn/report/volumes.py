"""Map files that VESTA, ChimeraX, Coot and PyMOL read: CCP4/MRC and Gaussian cube."""

from __future__ import annotations

import tempfile
from pathlib import Path

import gemmi
import numpy as np

from phaselearn.files import write_whole

BOHR = 0.529177210903  # Å, CODATA 2018


def write_ccp4(path: Path, density: np.ndarray, lattice: np.ndarray) -> None:
    """Write a CCP4 map of the unit cell in P1.

    The file holds the lengths and angles of the cell, and readers put a along x and b into the xy plane. So a viewer
    may show the map rotated with respect to `lattice`, but never mirrored.

    Args:
        path: file to write.
        density: map (N, M, K), voxel (i, j, k) at (i/N, j/M, k/K) of the cell.
        lattice: lattice vectors (3, 3), rows a, b, c in Å.
    """
    if np.linalg.det(lattice) < 0:
        # The same crystal on −a, −b, −c, which are right-handed: x becomes −x.
        density = np.roll(density[::-1, ::-1, ::-1], 1, axis=(0, 1, 2))
    lengths = np.linalg.norm(lattice, axis=1)
    unit = lattice / lengths[:, None]
    cosines = np.clip([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]], -1, 1)
    grid = gemmi.FloatGrid(np.ascontiguousarray(density, dtype=np.float32))
    grid.set_unit_cell(gemmi.UnitCell(*lengths, *np.degrees(np.arccos(cosines))))
    grid.spacegroup = gemmi.SpaceGroup("P 1")
    ccp4 = gemmi.Ccp4Map()
    ccp4.grid = grid
    ccp4.update_ccp4_header()
    # gemmi writes only to a file, and not in one step.
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "map.ccp4")
        ccp4.write_ccp4_map(str(written))
        write_whole(path, written.read_bytes())


def write_cube(
    path: Path, density: np.ndarray, lattice: np.ndarray, numbers: np.ndarray, positions: np.ndarray
) -> None:
    """Write a Gaussian cube file: the map and the atoms, lengths in bohr, density in electrons/bohr³.

    Args:
        path: file to write.
        density: map (N, M, K) in electrons/Å³, voxel (i, j, k) at (i/N, j/M, k/K) of the cell.
        lattice: lattice vectors (3, 3), rows a, b, c in Å.
        numbers: atomic numbers (n,).
        positions: fractional coordinates (n, 3); atoms are written inside the cell.
    """
    steps = lattice / np.array(density.shape)[:, None] / BOHR
    atoms = (np.asarray(positions) % 1.0) @ lattice / BOHR
    lines = ["Electron density of the unit cell", "bohr, electrons/bohr^3; voxel i of N at i/N"]
    lines += [_cube_line(len(atoms), np.zeros(3))]
    lines += [_cube_line(size, step) for size, step in zip(density.shape, steps, strict=True)]
    lines += [
        f"{int(number):5d} {float(number):11.6f}" + "".join(f" {value:13.8f}" for value in atom)
        for number, atom in zip(numbers, atoms, strict=True)
    ]
    values = np.asarray(density, dtype=np.float64) * BOHR**3
    for row in values.reshape(-1, density.shape[2]):
        # The format also requires a new line after each run along the last axis.
        lines += ["".join(f"{value:13.5E}" for value in row[start : start + 6]) for start in range(0, len(row), 6)]
    write_whole(path, ("\n".join(lines) + "\n").encode())


def _cube_line(count: int, vector: np.ndarray) -> str:
    return f"{count:5d}" + "".join(f" {value:13.8f}" for value in vector)
