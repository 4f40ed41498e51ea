"""Crystallographic information files: each block with atoms is an entry; also magnetic ones, without the moments."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import gemmi
import numpy as np
from gemmi import cif
from pymatgen.core.operations import SymmOp

from phaselearn.data.sources.symmetry import Cell
from phaselearn.data.structures import Unusable

# Å. Coordinates are printed to three digits or two, so that the images of an atom at ⅓ are not quite one point.
_SAME_SITE = 0.1
_MOST_OCCUPANCY = 1.001  # of a site; above 1 by rounding alone
_FORMULA_TOLERANCE = 0.01  # relative
_SITE_COLUMNS = (
    "fract_x",
    "fract_y",
    "fract_z",
    "?label",
    "?type_symbol",
    "?occupancy",
    "?disorder_group",
    "?calc_flag",
    "?attached_hydrogens",
)
_LENGTH_TAGS = tuple(f"_cell_length_{axis}" for axis in "abc")
_ANGLE_TAGS = tuple(f"_cell_angle_{name}" for name in ("alpha", "beta", "gamma"))
_OPERATION_TAGS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz", "_space_group_symop.operation_xyz")
_MAGNETIC_TAGS = ("_space_group_symop_magn_operation.xyz", "_space_group_symop.magn_operation_xyz")
_CENTRING_TAGS = ("_space_group_symop_magn_centering.xyz", "_space_group_symop.magn_centering_xyz")
_MAGNETIC_GROUP_TAGS = ("_space_group_magn.name_BNS", "_space_group_magn.number_BNS", "_space_group.magn_name_BNS")
_HALL_TAGS = ("_space_group_name_Hall", "_symmetry_space_group_name_Hall")
_NAME_TAGS = ("_space_group_name_H-M_alt", "_symmetry_space_group_name_H-M", "_space_group.name_H-M_full")
_NUMBER_TAGS = ("_space_group_IT_number", "_symmetry_Int_Tables_number")
_MODULATION_TAGS = ("_cell_modulation_dimension", "_cell_wave_vector_seq_id", "_cell_wave_vector_x")


def read(path: Path) -> Iterator[tuple[str, Cell | Unusable]]:
    """Yield the blocks with atoms, numbered from 0."""
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    for number, block in enumerate(_blocks(text)):
        try:
            yield str(number), _cell(_parsed(block) if isinstance(block, str) else block)
        except Unusable as error:
            yield str(number), error


def _blocks(text: str) -> list[cif.Block | str]:
    """Return the blocks with atoms; as text, where something in the file is not valid."""
    try:
        return [block for block in cif.read_string(text) if block.find_values("_atom_site_fract_x")]
    except (ValueError, RuntimeError):
        blocks = re.split(r"^\s*(?=data_)", text, flags=re.MULTILINE | re.IGNORECASE)
        return [block for block in blocks if re.search(r"^\s*_atom_site_fract_x", block, re.MULTILINE | re.IGNORECASE)]


def _parsed(text: str) -> cif.Block:
    try:
        return cif.read_string(text).sole_block()
    except (ValueError, RuntimeError) as error:
        raise Unusable("not valid CIF") from error


def _cell(block: cif.Block) -> Cell:
    if any(_value(block, (tag,)) not in ("", "0") for tag in _MODULATION_TAGS):
        raise Unusable("modulated structure")
    lattice = _lattice(block)
    formula = _stated_formula(block)
    positions, numbers = _sites(block, formula)
    rotations, translations = _operations(block)
    images = np.einsum("gij,aj->agi", rotations, positions) + translations
    orbits = [_orbit(points, lattice) for points in images]
    numbers = np.repeat(numbers, [len(orbit) for orbit in orbits])
    _check_formula(numbers, formula)
    return lattice, np.concatenate(orbits), numbers


def _value(block: cif.Block, tags: tuple[str, ...]) -> str:
    """Return the first value that is there under some tag, alone or in a loop; empty where none is known."""
    for tag in tags:
        for raw in block.find_values(tag):
            if not cif.is_null(raw):
                return cif.as_string(raw).strip()
    return ""


def _column(block: cif.Block, tags: tuple[str, ...]) -> list[str]:
    """Return the values of the first tag that has any."""
    for tag in tags:
        values = [cif.as_string(raw) for raw in block.find_values(tag) if not cif.is_null(raw)]
        if values:
            return values
    return []


def _lattice(block: cif.Block) -> np.ndarray:
    lengths = [cif.as_number(_value(block, (tag,)) or "?") for tag in _LENGTH_TAGS]
    angles = [cif.as_number(_value(block, (tag,)) or "90") for tag in _ANGLE_TAGS]  # the dictionary's default
    if not np.isfinite(lengths + angles).all() or min(lengths) <= 0:
        raise Unusable("no cell")
    return np.array(gemmi.UnitCell(*lengths, *angles).orth.mat.tolist()).T


def _sites(block: cif.Block, formula: Counter[str] | None) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (n, 3) and atomic numbers (n,) of the sites that are listed and occupied.

    Raises:
        Unusable: what is listed is not all there, or not all there is.
    """
    positions, numbers = [], []
    partial = disordered = False
    for row in block.find("_atom_site_", _SITE_COLUMNS):
        label, symbol, occupancy, group, flag, attached = (
            "" if not row.has(column) or cif.is_null(row[column]) else cif.as_string(row[column]).strip()
            for column in range(3, len(_SITE_COLUMNS))
        )
        share = cif.as_number(occupancy) if occupancy else 1.0
        if flag == "dum" or share == 0:
            continue
        if np.isnan(share) or (row.has(5) and row[5] == "?"):
            raise Unusable("occupancy not known")
        if share > _MOST_OCCUPANCY:
            raise Unusable("occupancies above 1")
        partial |= share < 1 - 1e-6 or " + " in symbol
        disordered |= group not in ("", "0")
        if attached not in ("", "0"):
            raise Unusable("hydrogen atoms without positions")
        position = [cif.as_number(row[axis]) for axis in range(3)]
        if np.isnan(position).any():
            raise Unusable("atoms without positions")
        positions.append(position)
        numbers.append(0 if partial else _atomic_number(symbol, label, formula))
    if partial:
        raise Unusable("partial occupancy")
    if disordered:
        raise Unusable("disorder groups")
    if not positions:
        raise Unusable("no atoms")
    return np.array(positions), np.array(numbers, dtype=np.int64)


def _atomic_number(symbol: str, label: str, formula: Counter[str] | None) -> int:
    """Return the atomic number of a type symbol such as `Fe3+` or, where there is none, of a label such as `FE1`."""
    if symbol:
        letters = re.fullmatch(r"([A-Za-z]{1,2})(\d*[+-]?|[+-]\d+)", symbol)
        candidates = [letters[1]] if letters else []
    else:
        letters = re.match(r"[A-Za-z]+", label)
        candidates = [letters[0][:2], letters[0][0]] if letters else []
        # Fe1 is iron, but CA1 may be calcium or an atom of carbon.
        if candidates and re.fullmatch("[A-Z][a-z]", candidates[0]) and gemmi.Element(candidates[0]).atomic_number:
            del candidates[1]
    known = {gemmi.Element(name).atomic_number for name in candidates} - {0}
    if len(known) > 1 and formula is not None:
        known &= {gemmi.Element(name).atomic_number for name in formula}
    if not known:
        raise Unusable("unknown element")
    if len(known) > 1:
        raise Unusable("elements that the labels leave open")
    return known.pop()


def _operations(block: cif.Block) -> tuple[np.ndarray, np.ndarray]:
    """Return rotations (g, 3, 3) and translations (g, 3) of the space group, centring included.

    Raises:
        Unusable: they are not given, nor a space group that is known.
    """
    magnetic = _column(block, _MAGNETIC_TAGS)
    if magnetic:
        centrings = _column(block, _CENTRING_TAGS) or ["x,y,z,+1"]
        # The last of the four is time reversal, which does not move an atom.
        operations = [
            _operation(first.rpartition(",")[0]) * _operation(second.rpartition(",")[0])
            for first in centrings
            for second in magnetic
        ]
    elif _value(block, _MAGNETIC_GROUP_TAGS):
        raise Unusable("magnetic space group without its operations")
    else:
        operations = [_operation(triplet) for triplet in _column(block, _OPERATION_TAGS) or _triplets(block)]
    return (
        np.array([operation.rotation_matrix for operation in operations]),
        np.array([operation.translation_vector for operation in operations]),
    )


def _operation(triplet: str) -> SymmOp:
    try:
        return SymmOp.from_xyz_str(triplet)
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise Unusable("operations that cannot be read") from error


def _triplets(block: cif.Block) -> list[str]:
    hall, name, number = (_value(block, tags) for tags in (_HALL_TAGS, _NAME_TAGS, _NUMBER_TAGS))
    try:
        if hall:
            return [operation.triplet() for operation in gemmi.symops_from_hall(hall)]
        if name:
            angles = [cif.as_number(_value(block, (tag,)) or "90") for tag in _ANGLE_TAGS]
            group = gemmi.find_spacegroup_by_name(name, angles[0], angles[2])
        else:
            group = gemmi.find_spacegroup_by_number(int(number))
        return [operation.triplet() for operation in group.operations()]
    except (ValueError, RuntimeError, AttributeError) as error:  # gemmi gives None for a name that it does not know
        raise Unusable("no symmetry operations") from error


def _orbit(images: np.ndarray, lattice: np.ndarray) -> np.ndarray:
    """Return the distinct points (m, 3) among the images (g, 3) of a site, each the mean of those that coincide."""
    points = []
    while len(images):
        away = images - images[0]
        away -= np.round(away)
        same = np.linalg.norm(away @ lattice, axis=1) < _SAME_SITE
        points.append(images[0] + away[same].mean(0))
        images = images[~same]
    return np.array(points)


def _stated_formula(block: cif.Block) -> Counter[str] | None:
    """Return the atoms of each element in the formula that the file states; None where it cannot be read."""
    parts = _value(block, ("_chemical_formula_sum",)).split()
    found = [re.fullmatch(r"([A-Z][a-z]?)(\d*\.?\d*)", part) for part in parts]
    if not parts or not all(found):
        return None
    formula: Counter[str] = Counter()
    for part in found:
        formula["H" if part[1] in ("D", "T") else part[1]] += float(part[2] or 1)
    return formula


def _check_formula(numbers: np.ndarray, formula: Counter[str] | None) -> None:
    """Compare the atoms with the stated formula, whose unit is any.

    Raises:
        Unusable: some are missing, or too many.
    """
    if formula is None:
        return
    atoms = Counter(gemmi.Element(int(number)).name for number in numbers)
    ratios = {name: atoms[name] / formula[name] for name in formula if formula[name]}
    unit = max(ratios.values())
    missing = {name for name in ratios if ratios[name] < unit * (1 - _FORMULA_TOLERANCE)}
    if missing == {"H"}:
        raise Unusable("hydrogen atoms without positions")
    if missing or atoms.keys() - formula.keys():
        raise Unusable("atoms that do not add up to the stated formula")
