"""The sites of a block: positions, their rounding, and elements."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from phaselearn.data.admission import FURTHEST, MOST_ATOMS
from phaselearn.data.sources.operations import rounding_of
from phaselearn.data.sources.readers.cif.blocks import Block, number
from phaselearn.data.sources.readers.cif.elements import atomic_number
from phaselearn.data.structures import Unusable

_FRACTIONAL = ("fract_x", "fract_y", "fract_z")
_CARTESIAN = ("cartn_x", "cartn_y", "cartn_z")
_OTHERS = (
    "label",
    "type_symbol",
    "occupancy",
    "disorder_group",
    "label_alt_id",
    "calc_flag",
    "attached_hydrogens",
)
_MOST_OCCUPANCY = 1.001  # of a site; above 1 by rounding alone
_MOST_ROWS = 2 * MOST_ATOMS  # that are listed, dummies and the like included


@dataclass(frozen=True)
class Sites:
    """The sites that are listed and occupied.

    Attributes:
        positions: fractional positions (n, 3).
        rounding: largest rounding error (n, 3) of each coordinate.
        numbers: atomic numbers (n,).
    """

    positions: np.ndarray
    rounding: np.ndarray
    numbers: np.ndarray


def read_sites(block: Block, lattice: np.ndarray, formula: Container[str] | None) -> Sites:
    """Return the sites of a block.

    Args:
        block: a block with atoms.
        lattice: cell vectors (3, 3) as rows, in Å.
        formula: elements of the stated formula; None if none is stated.

    Raises:
        Unusable: the list of atoms is incomplete or inconsistent, or they are not those of an ordered crystal.
    """
    fractional = any(block.column(f"_atom_site_{_FRACTIONAL[0]}"))
    names = _FRACTIONAL if fractional else _CARTESIAN
    rows = len(block.column(f"_atom_site_{names[0]}"))
    if rows > _MOST_ROWS:
        raise Unusable(f"more than {MOST_ATOMS:,} atoms ({rows:,} sites)")
    columns = {name: block.column(f"_atom_site_{name}") for name in (*names, *_OTHERS)}
    if not all(columns[name] for name in names):
        raise Unusable("atoms without positions")
    if any(len(column) not in (0, rows) for column in columns.values()):
        raise Unusable("columns of atoms that do not fit together")
    positions, numbers = [], []
    partial = disordered = False
    others = (columns[name] or [""] * rows for name in _OTHERS)
    for *position, label, symbol, occupancy, group, alternative, flag, attached in zip(
        *(columns[name] for name in names), *others, strict=True
    ):
        share = 1.0 if occupancy == "" else number(occupancy)
        if flag == "dum" or share == 0:
            continue
        if not np.isfinite(share) or share < 0:
            raise Unusable("occupancy not known")
        if share > _MOST_OCCUPANCY:
            raise Unusable("occupancies above 1")
        partial |= share < 1 - 1e-6 or " + " in (symbol or "")
        disordered |= (group or "0") != "0" or bool(alternative)
        if (attached or "0") != "0":
            raise Unusable("hydrogen atoms without positions")
        if not np.isfinite([number(coordinate) for coordinate in position]).all():
            raise Unusable("atoms without positions")
        positions.append(position)
        numbers.append(0 if partial else atomic_number(symbol or "", label or "", formula))
        if len(numbers) > MOST_ATOMS:
            raise Unusable(f"more than {MOST_ATOMS:,} atoms")
    if partial:
        raise Unusable("partial occupancy")
    if disordered:
        raise Unusable("disorder groups")
    if not positions:
        raise Unusable("no atoms")
    found = np.array([[number(text) for text in position] for position in positions])
    rounding = np.array([[rounding_of(text) for text in position] for position in positions])
    if not fractional:
        to_fractions = _fractions_of_cartesians(block, lattice)
        found, rounding = found @ to_fractions, rounding @ np.abs(to_fractions)
    if np.abs(found).max() > FURTHEST:
        raise Unusable(f"position more than {FURTHEST:,.0f} cells from the origin ({np.abs(found).max():.6g})")
    return Sites(found, rounding, np.array(numbers, dtype=np.int64))


def _fractions_of_cartesians(block: Block, lattice: np.ndarray) -> np.ndarray:
    """Return the matrix (3, 3) by which a row of Cartesian coordinates is multiplied to give fractional ones.

    Raises:
        Unusable: the file's axes are not x along a and y in the plane of a and b.
    """
    usual = np.linalg.inv(lattice)
    stated = [
        block.value(f"_atom_sites_fract_tran_matrix_{row}{column}", f"_atom_sites_fract_transf_matrix[{row}][{column}]")
        for column in (1, 2, 3)
        for row in (1, 2, 3)
    ]
    shift = [
        block.value(f"_atom_sites_fract_tran_vector_{row}", f"_atom_sites_fract_transf_vector[{row}]")
        for row in (1, 2, 3)
    ]
    described = block.value("_atom_sites_cartn_transform_axes")
    if not any(stated) and not any(shift) and not described:
        return usual
    matrix = np.array([number(text) for text in stated]).reshape(3, 3)
    vector = np.array([number(text or "0") for text in shift])
    # As an atom moves that is an edge away: the matrix is printed to five digits or six.
    if not (np.abs(lattice @ matrix - np.eye(3)) < 1e-3).all() or not (np.abs(vector) < 1e-3).all():
        raise Unusable("Cartesian axes that are not along the cell in the usual way")
    return usual
