"""Statements of a data block of a CIF: cell, wavelength, probe, contents, symmetry, and embedded instructions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from gemmi import cif

from phaselearn.crystal.space_group_names import settings_named
from phaselearn.errors import UserError
from phaselearn.measured.composition import contents_of_formula
from phaselearn.measured.readers.instructions import Instructions, parsed_operation, read_instructions
from phaselearn.measured.readers.listing import Stated, fault, quoted, stated_cell

_MOST_OPERATIONS = 192
_RESULTS = ("_shelx_res_file", "_iucr_refine_instructions_details")
_WAVELENGTHS = (
    "_diffrn_radiation_wavelength",
    "_diffrn_radiation_wavelength.wavelength",
    "_diffrn_radiation_wavelength_wavelength",
)
_TRIPLETS = (
    "_space_group_symop_operation_xyz",
    "_space_group_symop.operation_xyz",
    "_symmetry_equiv_pos_as_xyz",
    "_symmetry_equiv.pos_as_xyz",
)
_NAMES = (
    "_space_group_name_H-M_alt",
    "_space_group.name_H-M_alt",
    "_symmetry_space_group_name_H-M",
    "_symmetry.space_group_name_H-M",
    "_space_group_name_H-M_full",
    "_space_group.name_H-M_full",
)
_FORMULAS = ("_chemical_formula_sum", "_chemical_formula.sum")
_CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
_SAME_CELL = 0.01  # relative: cells of one crystal, refined twice or at two temperatures


def stated_by(block: cif.Block, path: Path) -> Stated:
    """Return what a block says, and after it what the instructions in it say, which are older.

    Raises:
        UserError: the instructions cannot be read.
    """
    cell = _cell(block, path)
    own = Stated(
        cell=cell.cell,
        cell_fault=cell.cell_fault,
        wavelength=_wavelength(block),
        probe=_probe(block),
        contents=_contents(block),
        operations=_operations(block),
    )
    instructions = instructions_in(block, path)
    return own.or_else(instructions.stated) if instructions is not None else own


def completed(stated: Stated, others: Sequence[tuple[str, Stated]], path: Path) -> Stated:
    """Return statements on a crystal, with what other data blocks of the file say of the same one.

    A block with another cell is of another crystal. If the cell is not stated and others disagree on it, none is taken.

    Args:
        stated: statements on the crystal.
        others: name and statements of the other blocks.
        path: the file, for errors.
    """
    cells = [(name, other.cell) for name, other in others if other.cell is not None]
    if stated.cell is None and not stated.cell_fault:
        different = [(name, cell) for name, cell in cells if not np.allclose(cell, cells[0][1], rtol=_SAME_CELL)]
        if different:
            helps = "give the one of the reflections: `cell=[a,b,c,α,β,γ]` in Å and degrees"
            what = f"the cells of data_{cells[0][0]} and data_{different[0][0]} differ"
            return Stated(cell_fault=str(fault(path, what, helps)))
    for _, other in others:
        if stated.cell is None or other.cell is None or np.allclose(stated.cell, other.cell, rtol=_SAME_CELL):
            stated = stated.or_else(other)
    return stated


def told_of_formula(block: cif.Block) -> tuple[str, ...]:
    """Return a warning if the formula of a block cannot be read."""
    formula = _value(block, *_FORMULAS)
    if not formula or _contents(block):
        return ()
    return (f"the formula {quoted(formula)} cannot be read: `formula=` or `elements=` states the contents",)


def instructions_in(block: cif.Block, path: Path) -> Instructions | None:
    """Return the SHELX instructions that are embedded in a block; None if there are none.

    Raises:
        UserError: they cannot be read.
    """
    text = text_of(block, *_RESULTS)
    return read_instructions(text, path) if text else None


def text_of(block: cif.Block, *tags: str) -> str:
    """Return the first text among tags that is there, known and not blank; else an empty one."""
    for tag in tags:
        raw = block.find_value(tag)
        if raw and not cif.is_null(raw) and (text := cif.as_string(raw)).strip():
            return text
    return ""


def number(text: str) -> tuple[float, float]:
    """Return a number and the standard uncertainty in brackets behind it; NaN where there is none."""
    found = re.fullmatch(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:\((\d+)\))?", text.strip("'\""))
    if found is None:
        return float("nan"), float("nan")
    decimals = len(found[1].partition(".")[2])
    return float(found[1]), int(found[2]) * 10.0**-decimals if found[2] and len(found[2]) < 9 else float("nan")


def _value(block: cif.Block, *tags: str) -> str:
    """Return the first value among tags that is there and known, loops included; else an empty text."""
    for tag in tags:
        for raw in block.find_values(tag):
            if not cif.is_null(raw):
                return cif.as_string(raw).strip()
    return ""


def _cell(block: cif.Block, path: Path) -> Stated:
    texts = [_value(block, f"_cell_{name}", f"_cell.{name}") for name in _CELL]
    if not any(texts):
        return Stated()
    numbers = tuple(number(text)[0] for text in texts)
    if np.isnan(numbers).any():
        written = " ".join(text or "?" for text in texts)
        helps = "mend it, or give the cell: `cell=[a,b,c,α,β,γ]` in Å and degrees"
        what = f"the cell {quoted(written)} of data_{block.name} cannot be read"
        return Stated(cell_fault=str(fault(path, what, helps)))
    return stated_cell(numbers, f"{path}, data_{block.name}")


def _wavelength(block: cif.Block) -> float | None:
    wavelength = number(_value(block, *_WAVELENGTHS))[0]
    return wavelength if wavelength > 0 else None


def _probe(block: cif.Block) -> str | None:
    told = _value(block, "_diffrn_radiation_probe", "_diffrn_radiation.probe", "_diffrn_radiation_type").lower()
    named = {"neutron": "neutron", "electron": "electron", "x-ray": "xray", "xray": "xray"}
    return next((probe for word, probe in named.items() if word in told), None)


def _contents(block: cif.Block) -> dict[str, float]:
    formula = _value(block, *_FORMULAS)
    units = number(_value(block, "_cell_formula_units_Z", "_cell.formula_units_Z", "_cell_formula_units_z"))[0]
    try:
        each = contents_of_formula(formula)
    except UserError:
        return {}
    return {element: count * units if units > 0 else 0.0 for element, count in each.items()}


def _operations(block: cif.Block) -> tuple[str, ...]:
    for tag in _TRIPLETS:
        listed = [cif.as_string(text) for text in block.find_values(tag)]
        if 0 < len(listed) <= _MOST_OPERATIONS:
            try:
                return tuple(parsed_operation(text).triplet() for text in listed)
            except ValueError:
                continue
    settings = settings_named(_value(block, *_NAMES))
    return tuple(operation.triplet() for operation in settings[0].operations()) if settings else ()
