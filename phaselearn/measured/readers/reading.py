"""Reflections from a file of any format that is read; the format is known by the content, not by the name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from phaselearn.errors import UserError, choose
from phaselearn.measured.cells import checked_cell
from phaselearn.measured.composition import checked_elements, contents_of_formula, formula_units
from phaselearn.measured.readers.checks import checked
from phaselearn.measured.readers.cif import instructions_in_cif, is_cif, read_cif
from phaselearn.measured.readers.cif_statements import completed
from phaselearn.measured.readers.hklf import is_hklf, read_hklf
from phaselearn.measured.readers.instructions import Instructions, is_instructions, read_instructions
from phaselearn.measured.readers.listing import Listing, Stated, fault
from phaselearn.measured.readers.mtz import is_mtz, read_mtz
from phaselearn.measured.readers.table import is_table, read_table
from phaselearn.measured.readers.text import TextSource
from phaselearn.measured.readers.titles import is_titled, read_titled
from phaselearn.measured.readers.unknown import READ, unknown
from phaselearn.measured.readers.xds import is_xds, read_xds
from phaselearn.measured.reflection_data import PROBES, ReflectionData
from phaselearn.measured.stated_symmetry import operations_named
from phaselearn.quoting import command

_BESIDE = (".ins", ".res", ".INS", ".RES")
_WITH_STATEMENTS = (".fcf", ".cif")  # of the crystal, which stand above those of the instructions beside the file
_MOST_INSTRUCTIONS = 16 << 20  # bytes


def read_reflections(
    path: str | Path,
    *,
    ins: str | Path | None = None,
    cell: Sequence[float] | None = None,
    wavelength: float | None = None,
    elements: Sequence[str] | str | None = None,
    formula: str | None = None,
    probe: str | None = None,
    space_group: str | int | None = None,
    block: str | int | None = None,
) -> ReflectionData:
    """Return the reflections of a file, and what is known of the crystal; what is given here stands above the file.

    Args:
        path: SHELX .hkl (HKLF 3 or 4), CIF or .fcf, MTZ, XDS_ASCII.HKL, or a table with columns named h, k, l, I and
            sigma; text may be gzipped.
        ins: SHELX instructions or a CIF with cell and contents; None for the .ins or .res of the same name
            beside a .hkl, and where a .fcf or .cif lacks a statement.
        cell: a, b, c in Å, α, β, γ in degrees.
        wavelength: wavelength in Å.
        elements: symbols, as a list or as `C,H,O`.
        formula: one formula unit, such as `C14H14O2`; the number of units in the cell follows from its volume.
        probe: "xray", "electron" or "neutron"; None for that of the file, or what the wavelength suggests.
        space_group: symbol or number of the expected group; it is tried among the others, whatever the phases say.
        block: data block of a CIF with several lists of reflections, by its name or its number among them, from 1.

    Raises:
        UserError: something cannot be read, or the cell is not known.
    """
    path = Path(path)
    given = _given(cell, wavelength, elements, formula, probe)
    if space_group is not None:
        given = replace(given, operations=operations_named(space_group))
    beside = _instructions(path, ins)
    listing = _listing(TextSource(path), beside, None if block is None else str(block))
    listing = replace(listing, warnings=tuple(dict.fromkeys((*beside.warnings, *listing.warnings))))
    if ins is None and _unpacked(path).suffix.lower() in _WITH_STATEMENTS:
        by_files = completed(listing.stated, [("", beside.stated)], path)
    else:
        by_files = beside.stated.or_else(listing.stated)
    stated = given.or_else(by_files)
    if formula is not None and stated.cell is not None:
        units = formula_units(stated.contents, stated.cell)
        stated = Stated(contents={element: units * count for element, count in stated.contents.items()}).or_else(stated)
        told = f"{units} formula units in the cell are assumed, as its volume suggests"
        listing = replace(listing, warnings=(*listing.warnings, told))
    return checked(listing, stated, path)


def _given(
    cell: Sequence[float] | None,
    wavelength: float | None,
    elements: Sequence[str] | str | None,
    formula: str | None,
    probe: str | None,
) -> Stated:
    contents: dict[str, float] = {}
    if elements is not None:
        contents = checked_elements(elements.replace(",", " ").split() if isinstance(elements, str) else elements)
    if formula is not None:
        contents = contents_of_formula(formula)
    return Stated(
        cell=None if cell is None else checked_cell(tuple(cell), "cell"),
        wavelength=wavelength,
        probe=None if probe is None else choose("probe", probe, PROBES, command="phaselearn solve FILE"),
        contents=contents,
    )


def _instructions(path: Path, ins: str | Path | None) -> Instructions:
    """Return the instructions that go with a file: those that are named, or those beside it."""
    if ins is not None:
        return _read_instructions(Path(ins), "name an .ins, or give `cell=[a,b,c,α,β,γ]` without `ins=`")
    stem = _unpacked(path)
    suffix = stem.suffix.lower()
    if suffix not in (".hkl", *_WITH_STATEMENTS):  # a folder may have no name: `.`
        return Instructions(stated=Stated())
    beside = next((one for end in _BESIDE if (one := stem.with_suffix(end)).is_file()), None)
    if beside is None:
        return Instructions(stated=Stated())
    helps = "name an .ins, or give `cell=[a,b,c,α,β,γ]`"
    if suffix == ".hkl":
        return _read_instructions(beside, helps, may_be_none=True)
    try:
        # How the .hkl is to be read does not matter here: indices and intensities were changed already.
        return Instructions(stated=_read_instructions(beside, helps).stated)
    except UserError as error:  # the file can do without
        return Instructions(stated=Stated(), warnings=(_not_read(error),))


def _unpacked(path: Path) -> Path:
    """Return the name of a file without the .gz of its packing."""
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def _read_instructions(path: Path, helps: str, may_be_none: bool = False) -> Instructions:
    """Return the instructions in a file.

    Args:
        path: the file.
        helps: advice of its error.
        may_be_none: the fault of a file without instructions counts only where no cell is given from outside.
    """
    source = TextSource(path)
    try:
        head = source.head()
        if not is_instructions(head) and not is_cif(head):
            raise fault(path, "neither SHELX instructions with CELL nor a CIF", helps)
    except UserError as error:
        if not may_be_none:
            raise
        return Instructions(stated=Stated(cell_fault=str(error)), warnings=(_not_read(error),))
    if not is_instructions(head):
        return instructions_in_cif(source)
    found = read_instructions(source.whole(_MOST_INSTRUCTIONS).decode("latin-1"), path)
    if found.stated.cell is None and not found.stated.cell_fault:
        without = str(fault(path, "no line begins with CELL", helps))
        return replace(found, stated=replace(found.stated, cell_fault=without))
    return found


def _not_read(error: UserError) -> str:
    return f"what lies beside the reflections was not read: {error}"


def _listing(source: TextSource, instructions: Instructions, block: str | None) -> Listing:
    head = source.head()
    if not head.strip():
        raise fault(source.path, "an empty file", READ)
    if block is not None and not is_cif(head):
        raise fault(source.path, "not a CIF, and other files have no data blocks", f"leave block={block} out")
    if is_mtz(head):
        if source.is_packed:
            raise fault(source.path, "a packed MTZ", f"unpack it with `{command('gunzip', '-k', source.path)}`")
        return read_mtz(source.path)
    if is_xds(head):
        return read_xds(source)
    if is_table(head):
        return read_table(source)
    if is_hklf(head):
        return read_hklf(source, instructions)
    if is_titled(head):
        return read_titled(source, instructions)
    if is_instructions(head):
        raise fault(source.path, "instructions, no reflections", "name the .hkl: the .ins beside it is found by itself")
    if is_cif(head):
        return read_cif(source, block)
    raise unknown(source.path, head)
