"""CIF with reflections: loops of `_refln` and `_diffrn_refln`, SHELXL's .fcf, and an embedded list of HKLF lines.

gemmi reads the grammar. Values and σ are looked up by name, since its own import of reflections misses |F|² of the Open
Database and of SHELXL.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import gemmi
import numpy as np
from gemmi import cif
from numpy.typing import NDArray

from phaselearn.errors import UserError
from phaselearn.measured.composition import contents_of_formula
from phaselearn.measured.readers.hklf import read_hklf
from phaselearn.measured.readers.instructions import Instructions, parsed_operation, read_instructions
from phaselearn.measured.readers.listing import MOST_REFLECTIONS, Listing, Stated, fault, quoted, stated_cell, too_many
from phaselearn.measured.readers.text import TextSource

MOST_BYTES = 100 << 20  # gemmi needs about eight times as much memory
_MOST_OPERATIONS = 192
_EMBEDDED = ("_shelx_hkl_file", "_iucr_refine_reflections_details")
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
)
_CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")


@dataclass(frozen=True)
class _Quantity:
    """A measured column, the columns that may hold its σ, and whether it is |F|."""

    value: str
    sigmas: tuple[str, ...]
    amplitudes: bool = False


# Of several measured columns, the first is read: intensities before amplitudes.
_QUANTITIES = (
    _Quantity("F_squared_meas", ("F_squared_sigma", "F_squared_meas_su", "F_squared_su", "F_squared_meas_sigma")),
    _Quantity("intensity_meas", ("intensity_sigma", "intensity_meas_su", "intensity_su", "intensity_u")),
    _Quantity("intensity_net", ("intensity_sigma", "intensity_net_su", "intensity_u", "intensity_su")),
    _Quantity("pdbx_I_meas", ("pdbx_I_meas_sigma", "pdbx_I_sigma")),
    _Quantity("counts_net", ("counts_net_su",)),
    _Quantity("F_meas", ("F_sigma", "F_meas_sigma", "F_meas_su", "F_su"), True),
    _Quantity("F_meas_au", ("F_meas_sigma_au", "F_meas_au_su"), True),
)
_PREFIXES = ("_diffrn_refln", "_refln")  # the first is not merged


def is_cif(head: bytes) -> bool:
    """Return whether a file that begins so is a CIF."""
    return re.search(rb"(?im)^\s*(data_\S*|loop_|_[a-z]\S*\s)", head) is not None and b"\x00" not in head


def read_cif(source: TextSource, block: str | None = None) -> Listing:
    """Return the reflections of a CIF.

    Args:
        source: the file.
        block: the name of the data block, without `data_`; None for the one that has reflections.

    Raises:
        UserError: it is not a CIF, no block or several have reflections, or they cannot be read.
    """
    document = _document(source)
    listings = _blocks_with_reflections(document, source.path)
    if block is not None:
        listings = [(name, found) for name, found in listings if name.lower() == block.lower()]
    if len(listings) != 1:
        named = ", ".join(sorted(name for name, _ in listings)) or "none"
        allowed = "block=NAME takes one" if listings else "a CIF with a list of reflections is needed, such as the .fcf"
        what = f"data blocks with reflections{f' named {block}' if block else ''}: {named}"
        raise fault(source.path, what, allowed)
    [(name, listing)] = listings
    stated = listing.stated
    for other in document:
        stated = stated.or_else(_stated(other, source.path)) if other.name != name else stated
    return replace(listing, stated=stated)


def stated_in_cif(source: TextSource) -> Stated:
    """Return what the data blocks of a CIF say of the crystal, the first before the others.

    Raises:
        UserError: it is not a CIF, or its cell is none.
    """
    stated = Stated()
    for block in _document(source):
        stated = stated.or_else(_stated(block, source.path))
    return stated


def _document(source: TextSource) -> cif.Document:
    content = source.whole(MOST_BYTES)
    try:
        # Faults outside of the reflections, such as a tag without a value, are passed over.
        return cif.read_string(content.decode("utf-8", "replace"), check_level=0)
    except (ValueError, RuntimeError) as error:
        helps = "mend it, or check it with `gemmi validate FILE`"
        raise fault(source.path, f"it is not a CIF: {str(error).removeprefix('string:')}", helps) from error


def _blocks_with_reflections(document: cif.Document, path: Path) -> list[tuple[str, Listing]]:
    found = []
    for block in document:
        listing = _embedded(block, path) or _loops(block, path)
        if listing is not None:
            # What the CIF says for itself is newer than the instructions in it.
            stated = _stated(block, path).or_else(listing.stated)
            found.append((block.name, replace(listing, stated=stated)))
    return found


def _embedded(block: cif.Block, path: Path) -> Listing | None:
    """Return the reflections of an embedded list of HKLF lines; None if there is none, or of overlapping twins."""
    text = next((cif.as_string(value) for tag in _EMBEDDED if (value := block.find_value(tag))), "").strip("\r\n")
    if not text.strip():
        return None
    result = next((cif.as_string(value) for tag in _RESULTS if (value := block.find_value(tag))), "")
    instructions = read_instructions(result, path) if result else Instructions(stated=Stated())
    if instructions.hklf == 5 and _loops(block, path) is not None:
        return None
    listing = read_hklf(TextSource(path, text.encode()), instructions)
    return replace(listing, kind=f"CIF, {listing.kind} in it")


def _loops(block: cif.Block, path: Path) -> Listing | None:
    for prefix in _PREFIXES:
        for separator in ("_", "."):
            listing = _loop(block, prefix + separator, path)
            if listing is not None:
                return listing
    return None


def _loop(block: cif.Block, prefix: str, path: Path) -> Listing | None:
    loop = block.find_loop(f"{prefix}index_h").get_loop()
    if loop is None:
        return None
    if loop.length() > MOST_REFLECTIONS:
        raise too_many(path)
    values = loop.values
    columns = {tag.lower(): values[place :: loop.width()] for place, tag in enumerate(loop.tags)}

    def column(name: str) -> list[str] | None:
        return columns.get(f"{prefix}{name}".lower())

    indices = [column(f"index_{index}") for index in "hkl"]
    for quantity in _QUANTITIES:
        texts = column(quantity.value)
        if texts is None:
            continue
        value, bracket = _numbers(texts)
        if np.isfinite(value).any():
            break
    else:
        return None
    stated = next((found for name in quantity.sigmas if (found := column(name)) is not None), None)
    listing = Listing(
        hkl=np.stack([_numbers(index if index is not None else ["?"] * loop.length())[0] for index in indices], 1),
        value=value,
        sigma=bracket if stated is None else _numbers(stated)[0],
        amplitudes=quantity.amplitudes,
        kind=f"CIF, {prefix}{quantity.value}",
    )
    for name in ("observed_status", "include_status", "status"):
        marks = column(name)
        if marks is not None:
            excluded = np.array([text.strip("'\"").lower() == "x" for text in marks])
            return listing.kept(~excluded, "the status x marks them as unreliable")
    return listing


def _numbers(texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return numbers and the standard uncertainties in brackets behind them; NaN where there is none."""
    try:
        return np.array(texts, dtype=np.float64), np.full(len(texts), np.nan)
    except ValueError:
        pairs = [_number(text) for text in texts]
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _number(text: str) -> tuple[float, float]:
    found = re.fullmatch(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:\((\d+)\))?", text.strip("'\""))
    if found is None:
        return float("nan"), float("nan")
    decimals = len(found[1].partition(".")[2])
    return float(found[1]), int(found[2]) * 10.0**-decimals if found[2] and len(found[2]) < 9 else float("nan")


def _stated(block: cif.Block, path: Path) -> Stated:
    result = next((cif.as_string(value) for tag in _RESULTS if (value := block.find_value(tag))), "")
    by_instructions = read_instructions(result, path).stated if result else Stated()
    cell = _cell(block, path)
    own = Stated(
        cell=cell.cell,
        cell_fault=cell.cell_fault,
        wavelength=_wavelength(block),
        probe=_probe(block),
        contents=_contents(block),
        operations=_operations(block),
    )
    return own.or_else(by_instructions)


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
    numbers = tuple(_number(text)[0] for text in texts)
    if np.isnan(numbers).any():
        written = " ".join(text or "?" for text in texts)
        helps = "mend it, or give the cell: `cell=[a,b,c,α,β,γ]` in Å and degrees"
        what = f"the cell {quoted(written)} of data_{block.name} cannot be read"
        return Stated(cell_fault=str(fault(path, what, helps)))
    return stated_cell(numbers, f"{path}, data_{block.name}")


def _wavelength(block: cif.Block) -> float | None:
    number = _number(_value(block, *_WAVELENGTHS))[0]
    return number if number > 0 else None


def _probe(block: cif.Block) -> str | None:
    told = _value(block, "_diffrn_radiation_probe", "_diffrn_radiation.probe", "_diffrn_radiation_type").lower()
    named = {"neutron": "neutron", "electron": "electron", "x-ray": "xray", "xray": "xray"}
    return next((probe for word, probe in named.items() if word in told), None)


def _contents(block: cif.Block) -> dict[str, float]:
    formula = _value(block, "_chemical_formula_sum", "_chemical_formula.sum")
    units = _number(_value(block, "_cell_formula_units_Z", "_cell.formula_units_Z", "_cell_formula_units_z"))[0]
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
    name = _value(block, *_NAMES)
    group = gemmi.find_spacegroup_by_name(name) if 0 < len(name) < 40 else None
    return tuple(operation.triplet() for operation in group.operations()) if group is not None else ()
