"""The density as a CCP4 map, and measured and calculated structure factors as MTZ."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.cells import lattice_of
from phaselearn.structure.candidate import Candidate
from phaselearn.structure.difference_map import whole_sphere
from phaselearn.structure.geometry import inverse_d_squared
from phaselearn.structure.phased import synthesis
from phaselearn.structure.reflections import Reflections

_SPACING = 0.2  # Å, of voxels
_COLUMNS = (("IMEAN", "J"), ("SIGIMEAN", "Q"), ("FP", "F"), ("SIGFP", "Q"), ("FC", "F"), ("PHIC", "P"))


def density_of(candidate: Candidate) -> NDArray[np.float64]:
    """Return the map of the whole cell, |Fo| with the phases of the atoms, in electrons/Å³ (neutrons: fm/Å³)."""
    lattice, table = lattice_of(candidate.cell), candidate.reflections
    phases = np.exp(1j * np.angle(table.calculated))
    observed = np.sqrt(np.maximum(table.intensity, 0))
    square = inverse_d_squared(table.hkl, lattice)
    unique = Reflections(
        table.hkl.astype(np.int64), table.intensity, table.sigma, square, np.ones(len(square), int), len(square)
    )
    hkl, values = whole_sphere(unique, observed * phases, candidate.space_group)
    density = synthesis(hkl, values, (_SPACING / np.linalg.norm(lattice, axis=1)).tolist())
    return density / abs(np.linalg.det(lattice))


def map_bytes(candidate: Candidate) -> bytes:
    """Return `density_of` as a CCP4 map."""
    ccp4 = gemmi.Ccp4Map()
    grid = gemmi.FloatGrid(density_of(candidate).astype(np.float32))
    grid.set_unit_cell(gemmi.UnitCell(*candidate.cell))
    grid.spacegroup = gemmi.SpaceGroup("P 1")
    ccp4.grid = grid
    ccp4.update_ccp4_header(2, True)
    return _written(lambda path: ccp4.write_ccp4_map(path))


def mtz_bytes(candidate: Candidate, title: str) -> bytes:
    """Return an MTZ file of the unique reflections: I, |F|, |Fc| and φc in degrees, on the scale of the atoms.

    Args:
        candidate: the structure, in a tabulated setting: the format has room for no other.
        title: one line of it.
    """
    table = candidate.reflections
    mtz = gemmi.Mtz(with_base=True)
    mtz.title = title[:70]
    mtz.spacegroup = gemmi.SpaceGroup(candidate.space_group.symbol)
    mtz.set_cell_for_all(gemmi.UnitCell(*candidate.cell))
    mtz.add_dataset("PhaseLearn").wavelength = candidate.wavelength or 0.0
    for label, kind in _COLUMNS:
        mtz.add_column(label, kind)
    amplitude = np.sqrt(np.maximum(table.intensity, 0))
    # σ(F) = σ(I)/2F, which is no more than √σ(I) for weak ones.
    error = np.minimum(table.sigma / (2 * np.maximum(amplitude, 1e-9)), np.sqrt(table.sigma))
    phase = np.rad2deg(np.angle(table.calculated))
    columns = [table.intensity, table.sigma, amplitude, error, np.abs(table.calculated), phase]
    mtz.set_data(np.column_stack([table.hkl, *columns]).astype(np.float32))
    mtz.ensure_asu()
    return _written(lambda path: mtz.write_to_file(path))


def _written(write: Callable[[str], None]) -> bytes:
    """Return what a function of gemmi writes into a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        write(str(path))
        return path.read_bytes()
