"""Atoms of SHELX (.res, .ins): sites of the asymmetric unit, with fixed values and free variables worked out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phaselearn.errors import UserError
from phaselearn.measured.readers.instructions import elements_of, joined_lines, read_instructions
from phaselearn.measured.readers.listing import Stated, fault, quoted

# What SHELXL, https://shelx.uni-goettingen.de/shelxl_html.php, and SHELXS take for no atom.
_INSTRUCTION = re.compile(
    r"ABIN|ACTA|AFIX|ANIS|ANSC|ANSR|BASF|BEDE|BIND|BLOC|BOND|BUMP|CELL|CGLS|CHIV|CONF|CONN|DAMP|DANG|DEFS|DELU|DFIX|"
    r"DISP|EADP|EQIV|EXTI|EXYZ|FLAT|FMAP|FREE|GRID|HFIX|HTAB|ISOR|L\.S\.|LATT|LAUE|LIST|LONE|MERG|MORE|MPLA|NCSY|NEUT|"
    r"OMIT|PLAN|PRIG|REM|RENU|RESI|RIGU|RTAB|SADI|SAME|SHEL|SIMU|SIZE|SPEC|STIR|SUMP|SWAT|SYMM|TEMP|TIME|TITL|TWIN|TWST|"
    r"UNIT|WGHT|WIGL|WPDB|XNPD|ZERR|"
    r"ESEL|HOPE|INIT|MOLE|PATT|PHAN|PSEE|SUBS|TEXP|TREF|VECT"
)
_NAME = re.compile(r"[A-Za-z][^\s_]{0,3}(?:_\S+)?")
_HKLF = re.compile(r"^HKLF(?=\s|$)", re.MULTILINE | re.IGNORECASE)
_PEAK = re.compile(r"Q\d+", re.IGNORECASE)  # of a difference map
_FULL = 11.0  # the share of an atom that has none: 1, and not refined
_HELPS = "check it with SHELXL, or give a CIF"


@dataclass(frozen=True)
class Site:
    """An atom of the asymmetric unit.

    Attributes:
        element: symbol, as SFAC has it.
        written: the coordinates as they are written.
        position: fractional coordinates (3,).
        share: occupancy divided by the order of the site's symmetry; 1 for an atom on a special position, too, where
            SHELXL is left to find that.
        part: number of the disorder group; 0 for none.
    """

    element: str
    written: tuple[str, str, str]
    position: NDArray[np.float64]
    share: float
    part: int


def read_model(text: str, path: Path) -> tuple[Stated, list[Site]]:
    """Return what instructions state, and their sites; peaks of a difference map are none.

    Args:
        text: the instructions.
        path: their file, for errors.

    Raises:
        UserError: cell, symmetry or an atom cannot be read, or there are no atoms.
    """
    text = _HKLF.split(text, maxsplit=1)[0]  # atoms do not depend on how the reflections are read
    stated = read_instructions(text, path).stated
    if stated.cell is None:
        raise UserError(stated.cell_fault or str(fault(path, "there is no CELL", _HELPS)))
    if not stated.operations:
        raise fault(path, "there is no LATT or SYMM that can be read", _HELPS)
    elements: list[str] = []
    variables: list[float] = []
    rows: list[tuple[int, list[str], int]] = []
    part, in_fragment = 0, False
    for number, line in joined_lines(text):
        words = line.split()
        word = words[0].upper().partition("_")[0] if words else ""
        if word == "END":
            break
        if word in ("FRAG", "FEND"):
            in_fragment = word == "FRAG"
        elif word == "SFAC":
            elements += elements_of(words[1:])
        elif word == "FVAR":
            variables += [_number(each, path, number) for each in words[1:]]
        elif word == "PART":
            part = int(_number(words[1] if len(words) > 1 else "0", path, number))
        elif word == "MOVE":
            raise fault(path, "MOVE is not followed", _HELPS, number)
        elif not in_fragment and _is_atom(line, word):
            rows.append((number, words, part))
    if not rows:
        raise UserError(f"{path} has no atoms: give the .res of a structure, or a CIF")
    return stated, [_site(words, part, elements, variables, path, number) for number, words, part in rows]


def _is_atom(line: str, word: str) -> bool:
    """Return whether a line is an atom, or should be: comments begin with a space, names of other files with +."""
    begins = line[:1].strip("+ \t")
    return bool(begins) and not _INSTRUCTION.fullmatch(word) and not _PEAK.fullmatch(word)


def _site(
    words: Sequence[str], part: int, elements: Sequence[str], variables: Sequence[float], path: Path, number: int
) -> Site:
    name, *rest = words
    kind = int(rest[0]) if rest and rest[0].isdecimal() and len(rest[0]) < 4 else 0
    if not _NAME.fullmatch(name) or len(rest) < 4 or not 0 < kind <= len(elements):
        what = f"{quoted(' '.join(words))} is neither an instruction nor an atom of an element in SFAC"
        raise fault(path, what, _HELPS, number)
    values = [_number(each, path, number) for each in rest[1:5]] + ([] if len(rest) > 4 else [_FULL])
    x, y, z, share = (_worked_out(value, variables, path, number) for value in values)
    return Site(elements[kind - 1], (rest[1], rest[2], rest[3]), np.array([x, y, z]), share, part)


def _worked_out(value: float, variables: Sequence[float], path: Path, number: int) -> float:
    """Return p of 10 + p, which is fixed, p v of 10 m + p, and p (v − 1) of −(10 m + p), with free variable m.

    Of −(10 + p) SHELXL makes 0.
    """
    sign, size = np.copysign(1.0, value), abs(value)
    place = int((size + 5) // 10)
    rest = sign * (size - 10 * place)
    if place < 2:
        return 0.0 if place and sign < 0 else float(rest)
    if place > len(variables):
        raise fault(path, f"FVAR has no free variable {place}, which {value:g} stands for", _HELPS, number)
    return float(rest * (variables[place - 1] - (sign < 0)))


def _number(word: str, path: Path, line: int) -> float:
    try:
        value = float(word)
        if not abs(value) < 1e6:
            raise ValueError
    except ValueError:
        raise fault(path, f"{quoted(word)} is not a number", _HELPS, line) from None
    return value
