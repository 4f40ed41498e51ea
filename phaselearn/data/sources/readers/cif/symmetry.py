"""The space group of a block: its listed operations, or a setting of the group that it names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import gemmi
import numpy as np

from phaselearn.crystal.space_group_names import settings_named, settings_numbered
from phaselearn.data.sources.operations import FIT, Operations
from phaselearn.data.sources.readers.cif.blocks import Block
from phaselearn.data.structures import Unusable

_OPERATIONS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")
_MAGNETIC = "_space_group_symop_magn_operation_xyz"
_CENTRINGS = "_space_group_symop_magn_centering_xyz"
_MAGNETIC_GROUPS = ("_space_group_magn_name_bns", "_space_group_magn_number_bns")
_HALL = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
_NAMES = ("_space_group_name_h-m_alt", "_symmetry_space_group_name_h-m", "_space_group_name_h-m_full")
_NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
_AS_GOOD = 1e-3  # settings whose misfits differ by less fit a cell equally well
_LONGEST = 60  # characters of a symbol


@dataclass(frozen=True)
class Setting:
    """One way to read the symmetry of a block.

    Attributes:
        operations: operations of the space group; they fit the cell.
        symbol: Hermann–Mauguin symbol without the origin; empty if the file gives the operations or a Hall symbol.
    """

    operations: Operations
    symbol: str = ""


def read_settings(block: Block, lattice: np.ndarray) -> list[Setting]:
    """Return the ways to read the symmetry of a block: one, or two that differ in their origin.

    Operations come before a Hall symbol, this before a Hermann–Mauguin symbol, and the number last. Of several settings
    the first is taken, in the order of the International Tables, that fits the cell as well as any.

    Raises:
        Unusable: none of these is given and can be read, or no setting fits the cell.
    """
    settings = _magnetic(block) or _listed(block) or _hall(block) or _tabulated(block)
    if not settings:
        raise Unusable("no symmetry operations")
    misfits = [setting.operations.misfit(lattice) for setting in settings]
    best = min(misfits)
    if best > FIT:
        raise Unusable("operations that do not fit the cell")
    fitting = [
        setting for setting, misfit in zip(settings, misfits, strict=True) if misfit <= min(FIT, best + _AS_GOOD)
    ]
    return [setting for setting in fitting if setting.symbol == fitting[0].symbol]


def other_groups(block: Block, operations: Operations) -> list[list[Operations]]:
    """Return the settings of each group that the block names but that the operations do not form."""
    if any(block.column(_MAGNETIC)):
        return []
    name, number = block.value(*_NAMES), block.value(*_NUMBERS)
    named = [group for group in (settings_named(name), settings_numbered(number)) if group]
    return [[_operations(setting.hall) for setting in group] for group in named if group[0].number != operations.number]


def _magnetic(block: Block) -> list[Setting]:
    triplets = block.column(_MAGNETIC)
    if any(triplets):
        centrings = block.column(_CENTRINGS)
        operations = Operations.of_triplets(map(_without_time, triplets))
        if any(centrings):
            operations = Operations.of_triplets(map(_without_time, centrings)).times(operations)
        return [Setting(operations)]
    if block.value(*_MAGNETIC_GROUPS):
        raise Unusable("magnetic space group without its operations")
    return []


def _without_time(operation: str | None) -> str:
    """Return the triplet of `x,y,z,-1`: time reversal does not move an atom."""
    triplet, _, time = (operation or "").rpartition(",")
    if time.strip() not in ("1", "+1", "-1"):
        raise Unusable("operations that cannot be read")
    return triplet


def _listed(block: Block) -> list[Setting]:
    triplets = block.column(*_OPERATIONS)
    if not any(triplets):
        return []
    return [Setting(Operations.of_triplets(triplet or "" for triplet in triplets))]


def _hall(block: Block) -> list[Setting]:
    symbol = block.value(*_HALL)
    try:
        return [Setting(_operations(symbol))] if 0 < len(symbol) <= _LONGEST else []
    except (ValueError, RuntimeError):
        return []


def _tabulated(block: Block) -> list[Setting]:
    name = block.value(*_NAMES)
    groups = settings_named(name) if name else settings_numbered(block.value(*_NUMBERS))
    return [Setting(_operations(group.hall), group.hm) for group in groups]


@cache
def _operations(hall: str) -> Operations:
    return Operations.of_gemmi(gemmi.symops_from_hall(hall))
