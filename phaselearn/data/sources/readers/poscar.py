"""POSCAR, CONTCAR and the head of CHGCAR and LOCPOT, read according to the manual of VASP.

pymatgen's reader scales Cartesian positions by a volume as if it were a length, refuses three scales, and invents
elements if none are named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from pathlib import Path

import numpy as np

from phaselearn.data.admission import MOST_ATOMS, check_lattice
from phaselearn.data.sources.readers.elements import ATOMIC_NUMBERS
from phaselearn.data.sources.structure_type import Cell
from phaselearn.data.structures import Unusable

_LONGEST_LINE = 10_000  # characters
# Also with Fortran's exponent, 1.0d0, and without a blank before a sign, 0.25-0.50.
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?")


def read(path: Path) -> Iterator[tuple[str, Cell]]:
    """Yield the structure.

    Raises:
        Unusable: the file is not a POSCAR, or does not name its elements.
    """
    lines = _lines(path)
    scale = _scale(lines[1])
    unscaled = np.array([_vector(line) for line in lines[2:5]])
    symbols, amounts, start = _content(lines)
    selective = lines[start].lstrip()[0] in "sS"
    start += selective
    sites = lines[start + 1 : start + 1 + sum(amounts)]
    if len(sites) < sum(amounts):
        raise Unusable("not a POSCAR (fewer positions than atoms)")
    positions = np.array([_vector(line) for line in sites])
    # A negative scale is minus the volume in Å³; three scales are factors of the Cartesian components.
    volume = abs(np.linalg.det(unscaled))
    if len(scale) == 1 and scale[0] < 0:
        if not volume > 0:
            raise Unusable("degenerate cell (its volume is 0)")
        scale = np.cbrt(-scale / volume)
    lattice = unscaled * scale
    check_lattice(lattice)
    if lines[start].lstrip()[0] in "cCkK":
        positions = np.linalg.solve(lattice.T, (positions * scale).T).T
    names = symbols or _names(lines[0], sites, 6 if selective else 3, len(amounts))
    if len(names) == len(amounts):
        names = [name for name, amount in zip(names, amounts, strict=True) for _ in range(amount)]
    yield "0", (lattice, positions, np.array([ATOMIC_NUMBERS[name] for name in names], dtype=np.int64))


def _lines(path: Path) -> list[str]:
    """Return the lines up to the empty one behind the positions; the first line, a comment, may be empty."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        lines = iter(lambda: file.readline(_LONGEST_LINE), "")
        head = list(islice(lines, 1))
        # Twice the largest number of atoms leaves room for symbols and numbers on many lines.
        rest = list(islice(takewhile(str.strip, lines), 2 * MOST_ATOMS))
    if len(rest) < 7:
        raise Unusable("not a POSCAR (too short)")
    return [line.rstrip("\r\n") for line in head + rest]


def _scale(line: str) -> np.ndarray:
    """Return the one or three scales at the beginning of a line; the rest is a comment."""
    tokens = list(takewhile(_NUMBER.fullmatch, line.split()[:3]))
    scale = np.array([_number(token) for token in tokens])
    if (
        len(scale) not in (1, 3)
        or (scale == 0).any()
        or not np.isfinite(scale).all()
        or (len(scale) == 3 and (scale < 0).any())
    ):
        raise Unusable(f"a scale that is none: one number, or three above 0, are needed ({line.strip()!r:.40})")
    return scale


def _vector(line: str) -> list[float]:
    tokens = line.split()[:3]
    if len(tokens) < 3 or not all(map(_NUMBER.fullmatch, tokens)):
        tokens = _NUMBER.findall(line)[:3] if re.fullmatch(r"[\s\d.eEdD+-]*", line) else []
    if len(tokens) < 3:
        raise Unusable(f"not a POSCAR (three numbers are needed, not {line.strip()!r:.40})")
    return [_number(token) for token in tokens]


def _number(token: str) -> float:
    return float(token.lower().replace("d", "e"))


def _content(lines: Sequence[str]) -> tuple[list[str], list[int], int]:
    """Return the symbols (none in files of VASP 4), the number of atoms of each, and the number of the next line.

    Raises:
        Unusable: symbols and numbers do not fit together, there are too many atoms, or a symbol is not an element's.
    """
    symbols: list[str] = []
    amounts: list[int] = []
    start = 5
    while start < len(lines) and not lines[start].split()[0].isdecimal():
        # Newer versions add the potential and its digest: Mg_pv/1a2b3c4d.
        symbols += [re.split("[/_]", token)[0] for token in _uncommented(lines[start])]
        start += 1
    # Numbers may take several lines, as symbols may.
    while start < len(lines) and (not amounts or len(amounts) < len(symbols)):
        tokens = _uncommented(lines[start])
        if not tokens or not all(token.isdecimal() and len(token) < 19 for token in tokens):
            break
        amounts += map(int, tokens)
        start += 1
    if sum(amounts) > MOST_ATOMS:
        raise Unusable(f"more than {MOST_ATOMS:,} atoms ({sum(amounts):,})")
    if not sum(amounts) or start >= len(lines) or (symbols and len(symbols) != len(amounts)):
        raise Unusable("not a POSCAR (no numbers of atoms that fit its symbols)")
    unknown = next((symbol for symbol in symbols if symbol not in ATOMIC_NUMBERS), None)
    if unknown is not None:
        raise Unusable(f"unknown element ({unknown!r:.40})")
    return symbols, amounts, start


def _uncommented(line: str) -> list[str]:
    return re.split("[!#]", line)[0].split()


def _names(comment: str, sites: Sequence[str], column: int, kinds: int) -> list[str]:
    """Return the elements of a file of VASP 4, one for each site (behind its position) or each kind (in the comment).

    Raises:
        Unusable: the elements are not named.
    """
    behind = [token for line in sites for token in line.split()[column : column + 1]]
    if len(behind) == len(sites) and ATOMIC_NUMBERS.keys() >= set(behind):
        return behind
    names = comment.split()
    if len(names) == kinds and ATOMIC_NUMBERS.keys() >= set(names):
        return names
    raise Unusable("elements not named")
