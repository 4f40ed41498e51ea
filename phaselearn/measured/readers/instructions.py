"""SHELX instructions (.ins, .res): cell, contents, symmetry, and how the reflections are to be read.

Only what concerns reflections is looked at, so that atoms, restraints, an open AFIX or an unknown instruction are no
obstacle.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from phaselearn.errors import UserError
from phaselearn.measured.composition import scatters
from phaselearn.measured.readers.listing import Stated, fault, quoted, stated_cell

_CENTRINGS = {
    1: (),
    2: ("x+1/2,y+1/2,z+1/2",),
    3: ("x+2/3,y+1/3,z+1/3", "x+1/3,y+2/3,z+2/3"),
    4: ("x,y+1/2,z+1/2", "x+1/2,y,z+1/2", "x+1/2,y+1/2,z"),
    5: ("x,y+1/2,z+1/2",),
    6: ("x+1/2,y,z+1/2",),
    7: ("x+1/2,y+1/2,z",),
}
_IDENTITY = "x,y,z"
_LONGEST = 100  # characters of an operation
_MOST_OPERATIONS = 192
_DEFAULT_LATT = 1  # SHELX: primitive, with an inversion centre


@dataclass(frozen=True, kw_only=True)
class Instructions:
    """A file of instructions, as far as it concerns the reflections.

    Attributes:
        stated: cell, wavelength, probe, contents and symmetry.
        hklf: the number of the instruction HKLF; 4 where there is none.
        scale: the factor of intensities and σ.
        weight: the factor of 1/σ².
        matrix: (3, 3) that makes new indices of those in the file: h' = M h.
        warnings: sentences about what could not be read.
    """

    stated: Stated
    hklf: int = 4
    scale: float = 1.0
    weight: float = 1.0
    matrix: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    warnings: tuple[str, ...] = ()


def is_instructions(head: bytes) -> bool:
    """Return whether a file that begins so holds instructions."""
    found = re.search(rb"(?im)^(CELL\s+[\d.]|(LATT|SFAC|HKLF)\s+\S|data_\S)", head)
    return found is not None and not found[0].lower().startswith(b"data_")  # a CIF may hold instructions


def read_instructions(text: str, path: Path) -> Instructions:
    """Return what instructions say.

    Args:
        text: the instructions.
        path: their file, for errors.

    Raises:
        UserError: a number that is needed cannot be read, the cell is none, or reflections are of a kind that is not
            read.
    """
    found: dict[str, tuple[int, list[str]]] = {}
    elements: list[str] = []
    triplets: list[str] = []
    neutrons = False
    lengths: list[bool] = []
    warnings: list[str] = []
    for number, word, rest in _instructions(text):
        if word == "SFAC":
            elements += elements_of(rest)
            lengths.append(_is_scattering_length(rest))
        elif word == "SYMM":
            triplets.append("".join(rest))
        elif word == "NEUT":
            neutrons = True
        elif word == "TWIN":
            warnings.append("TWIN is stated: the intensities of a twin are taken as they are, as of a single crystal")
        elif word in ("CELL", "LATT", "UNIT", "HKLF"):
            found.setdefault(word, (number, rest))
        elif word == "END":
            break
    wavelength, cell = None, Stated()
    if "CELL" in found:
        number, rest = found["CELL"]
        try:
            values = _numbers(rest, "CELL", path, number)
            wavelength = values[0] if values else None
            cell = stated_cell(tuple(values[1:7]), f"{path}, line {number}")
        except UserError as error:
            cell = Stated(cell_fault=str(error))
    contents, told = _contents(elements, found.get("UNIT"), path)
    warnings += told
    operations: tuple[str, ...] = ()
    if "LATT" in found or triplets:
        number, rest = found.get("LATT", (0, [str(_DEFAULT_LATT)]))
        operations, told = _operations(_numbers(rest, "LATT", path, number), triplets)
        warnings += told
    how = _how_to_read(found.get("HKLF"), path)
    stated = Stated(
        cell=cell.cell,
        cell_fault=cell.cell_fault,
        wavelength=wavelength,
        probe="neutron" if neutrons or (lengths and all(lengths)) else None,
        contents=contents,
        operations=operations,
    )
    return replace(how, stated=stated, warnings=tuple(warnings))


def _instructions(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield number of the line, instruction in capitals, and its words."""
    for number, line in joined_lines(text):
        found = re.match(r"([A-Za-z]{3,4})(?:_\S+)?(?=[\s\d+-]|$)(.*)", line)
        if found and found[1].upper() not in ("TITL", "REM"):
            yield number, found[1].upper(), found[2].split()


def joined_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines without comments, each with its number; continued ones are joined."""
    start, joined = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("!")[0].rstrip()
        if joined:
            line = f"{joined} {line}"
        else:
            start = number
        if line.endswith("=") and not line.upper().startswith(("TITL", "REM")):
            joined = line[:-1]
            continue
        joined = ""
        yield start, line


def elements_of(words: Sequence[str]) -> list[str]:
    """Return the elements of SFAC: some symbols, or one with the numbers of its form factor."""
    symbols = [word for word in words if word[0].isalpha() or word[0] == "$"]
    return [re.sub(r"[^A-Za-z]", "", symbol).capitalize() for symbol in symbols]


def _is_scattering_length(words: Sequence[str]) -> bool:
    """Return whether SFAC gives one element a form factor without any fall-off, Σ aᵢ exp(−bᵢ s²) + c with a = b = 0.

    SHELX-97 did not have NEUT: so its users wrote the scattering lengths of neutrons.
    """
    try:
        numbers = [float(word) for word in words[1:10]]
    except ValueError:
        return False
    return len(numbers) == 9 and not any(numbers[:8]) and numbers[8] != 0


def _contents(
    elements: Sequence[str], unit: tuple[int, list[str]] | None, path: Path
) -> tuple[dict[str, float], list[str]]:
    number, rest = unit or (0, [])
    counts = _numbers(rest, "UNIT", path, number)
    warnings = []
    if unit and len(counts) != len(elements):
        warnings.append(
            f"UNIT has {len(counts)} numbers for {len(elements)} elements of SFAC: the contents were not taken from it"
        )
        counts = []
    contents: dict[str, float] = {}
    for place, element in enumerate(elements):
        if not scatters(element):
            warnings.append(
                f"SFAC names {quoted(element)}, which is not an element that is known to scatter: it was left out"
            )
            continue
        count = counts[place] if place < len(counts) else 0.0
        contents[element] = contents.get(element, 0.0) + max(0.0, count)
    return contents, warnings


def _operations(latt: Sequence[float], triplets: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    number = int(latt[0]) if latt else _DEFAULT_LATT
    if abs(number) not in _CENTRINGS:
        return (), [
            f"LATT {number} is not a lattice: allowed are 1 to 7 and −1 to −7; the stated symmetry was left out"
        ]
    if len(triplets) > _MOST_OPERATIONS:
        return (), [f"{len(triplets):,} lines of SYMM do not form a space group: the stated symmetry was left out"]
    try:
        listed = [gemmi.Op(_IDENTITY), *(parsed_operation(triplet) for triplet in triplets)]
    except ValueError as error:
        return (), [f"SYMM: {error}; the stated symmetry was left out"]
    inverted = [gemmi.Op("-x,-y,-z") * one for one in listed] if number > 0 else []
    shifts = [gemmi.Op(_IDENTITY), *map(gemmi.Op, _CENTRINGS[abs(number)])]
    every = [(shift * one).wrap().triplet() for shift in shifts for one in (*listed, *inverted)]
    return tuple(dict.fromkeys(every)), []


def parsed_operation(triplet: str) -> gemmi.Op:
    """Return an operation.

    Raises:
        ValueError: the text is none, with a sentence that says so.
    """
    text = re.sub(r"\s", "", triplet.strip("'\"")).lower()
    try:
        if len(text) > _LONGEST:
            raise ValueError
        operation = gemmi.Op(text)
        if abs(operation.det_rot()) != gemmi.Op.DEN**3:
            raise ValueError
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{quoted(triplet)} is not a symmetry operation") from error
    return operation


def _how_to_read(hklf: tuple[int, list[str]] | None, path: Path) -> Instructions:
    """Return what HKLF n s r₁₁ … r₃₃ w says: the kind of list, its scale, the matrix of its indices, its weight."""
    number, rest = hklf or (0, ["4"])
    values = _numbers(rest, "HKLF", path, number)
    kind = int(values[0]) if values else 4
    if kind not in (3, 4, 5):
        raise fault(
            path, f"HKLF {kind} is not read", "write single reflections as HKLF 4, or as HKLF 3 for |F|", number
        )
    scale = values[1] if len(values) > 1 else 1.0
    matrix = np.array(values[2:11]).reshape(3, 3) if len(values) >= 11 else np.eye(3)
    weight = values[11] if len(values) > 11 else 1.0
    if min(scale, weight) <= 0 or abs(np.linalg.det(matrix)) < 1e-3:
        what = "HKLF has a scale or a weight that is not positive, or a matrix without inverse"
        raise fault(path, what, "mend it", number)
    return Instructions(stated=Stated(), hklf=kind, scale=scale, weight=weight, matrix=matrix)


def _numbers(words: Sequence[str], instruction: str, path: Path, line: int) -> list[float]:
    """Return the numbers of an instruction, without the standard uncertainties in brackets.

    Raises:
        UserError: a word is not a finite number.
    """
    try:
        values = [float(word.partition("(")[0]) for word in words]
        if not np.isfinite(values).all() or np.abs(values).max(initial=0.0) > 1e9:
            raise ValueError
    except ValueError:
        what = f"{instruction} {quoted(' '.join(words))} has a word that is not a number"
        raise fault(path, what, "mend it", line) from None
    return values
