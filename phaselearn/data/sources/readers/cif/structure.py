"""The structure of a block: its sites are repeated by the symmetry, and compared with all other statements."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from phaselearn.data.admission import MOST_ATOMS
from phaselearn.data.screening import screen
from phaselearn.data.sources.readers.cif.blocks import Block, blocks
from phaselearn.data.sources.readers.cif.cell import read_lattice
from phaselearn.data.sources.readers.cif.formula import Stated
from phaselearn.data.sources.readers.cif.sites import Sites, read_sites
from phaselearn.data.sources.readers.cif.symmetry import Setting, other_groups, read_settings
from phaselearn.data.sources.readers.texts import text_of
from phaselearn.data.sources.structure_type import Cell, wrap
from phaselearn.data.structures import Crystal, Unusable, unreadable

# Beginnings of tags for superspace: wave vectors, groups, the waves of positions and occupancies, cells in one another.
_MODULATIONS = (
    *("_cell_modulation_", "_cell_wave_vector", "_cell_subsystem", "_space_group_ssg_", "_space_group_symop_ssg_"),
    *("_atom_site_displace_", "_atom_site_occ_", "_atom_site_fourier_"),
)


def read(path: Path) -> Iterator[tuple[str, Cell | Unusable]]:
    """Yield the blocks with atoms, numbered from 0."""
    for number, block in enumerate(blocks(text_of(path))):
        yield str(number), _cell_or_reason(block)


def _cell_or_reason(block: Block | Unusable) -> Cell | Unusable:
    if isinstance(block, Unusable):
        return block
    try:
        return _cell(block)
    except Unusable as error:
        return error
    except Exception as error:
        return unreadable(error)


def _cell(block: Block) -> Cell:
    if any(value not in ("", "0") for value in block.values(_MODULATIONS)):
        raise Unusable("modulated structure")
    lattice = read_lattice(block)
    stated = Stated.of(block)
    sites = read_sites(block, lattice, stated.formula)
    setting, cell = _choose(read_settings(block, lattice), sites, lattice, stated)
    # A file of all atoms may keep the name of the group that they have; one of fewer atoms lost them.
    if not stated.complete:
        for group in other_groups(block, setting.operations):
            if not any(operations.keep(cell) for operations in group):
                raise Unusable("operations that are not those of the stated group")
    return cell


def _choose(settings: list[Setting], sites: Sites, lattice: np.ndarray, stated: Stated) -> tuple[Setting, Cell]:
    """Return the setting that agrees with what is stated, and the cell that it gives.

    Raises:
        Unusable: none does, or more than one.
    """
    fitting: list[tuple[Setting, Cell]] = []
    reasons: list[Unusable] = []
    for setting in settings:
        try:
            cell = _repeated(sites, setting, lattice)
            stated.check(cell[2])
            if len(settings) > 1:
                _check_distances(cell)
            fitting.append((setting, cell))
        except Unusable as error:
            reasons.append(error)
    if not fitting:
        raise reasons[0]
    if len(fitting) > 1:
        raise Unusable("origin that the file leaves open")
    return fitting[0]


def _repeated(sites: Sites, setting: Setting, lattice: np.ndarray) -> Cell:
    orbits = setting.operations.orbits(sites.positions, sites.rounding, lattice, MOST_ATOMS)
    numbers = np.repeat(sites.numbers, [len(orbit) for orbit in orbits])
    return lattice, np.concatenate(orbits), numbers


def _check_distances(cell: Cell) -> None:
    lattice, positions, numbers = cell
    [reason] = screen([Crystal("", lattice, numbers, wrap(positions), "", 0)], longest_edge=math.inf)
    if reason is not None:
        raise Unusable(reason)
