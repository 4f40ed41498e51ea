"""SHELX reflections (.hkl): three indices, a value and its σ on each line, in fixed columns or separated by blanks.

Fixed columns are 3I4, 2F8.2, I4 and direction cosines after them. Numbers may fill their columns so that they touch,
and may have more or fewer decimals than two. A line of indices 0 0 0 without an intensity ends the list;
what follows is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.readers.hklf_kinds import has_twin_domains, is_list_2, of_first_domain, refuse_other_columns
from phaselearn.measured.readers.instructions import Instructions
from phaselearn.measured.readers.listing import MOST_REFLECTIONS, Listing, fault, quoted, too_many
from phaselearn.measured.readers.text import TextSource

_WIDTH = 33  # characters that are looked at; direction cosines follow behind 32
_COLUMNS = ((0, 4), (4, 8), (8, 12), (12, 20), (20, 28))
_BATCH = (28, 32)
_LONGEST_INDEX = 5  # characters
_END = [b"0", b"0", b"0"]
_END_OF_TEXT = b"\x1a"  # of DOS
_LOOKED_THROUGH = 10_000  # lines behind the end
_TRIED = 200  # lines that tell fixed columns from free ones
_HELPS = "needed are h, k, l, intensity and σ in the columns of HKLF 4 (3I4, 2F8.2), or separated by blanks"


@dataclass(frozen=True)
class _Rows:
    """Numbers of some lines: hkl (n, 3), value, sigma and batch (n,)."""

    hkl: NDArray[np.float64]
    value: NDArray[np.float64]
    sigma: NDArray[np.float64]
    batch: NDArray[np.float64]


def is_hklf(head: bytes) -> bool:
    """Return whether a file that begins so holds such lines."""
    first = next((line for line in head.splitlines() if line.strip()), b"")
    return _fixed(first) is not None or _free(first) is not None


def read_hklf(source: TextSource, instructions: Instructions) -> Listing:
    """Return the reflections of a list.

    Args:
        source: the list.
        instructions: they say whether values are |F| (HKLF 3), and by which matrix indices change.

    Raises:
        UserError: a line is not a reflection, there is none (or of twin domains none of the first alone), there are
            too many, or the columns are others.
    """
    parts: list[_Rows] = []
    layout = ""
    total = 0
    warnings = instructions.warnings
    pieces = source.lines()
    for first, lines in pieces:
        if not layout:
            layout = _layout(lines[:_TRIED])
            if layout == "free":
                refuse_other_columns([line for line in lines[:_TRIED] if _free(line) is not None], source.path)
        rows, behind = _rows(lines, layout, source.path, first)
        parts.append(rows)
        total += len(rows.value)
        if total > MOST_REFLECTIONS:
            raise too_many(source.path)
        if behind is not None:
            end = first + len(lines) - len(behind) - 1
            warnings += _told_of_more(chain(behind, *(more for _, more in pieces)), layout, end)
            break
    if not total:
        raise fault(source.path, "no reflection", _HELPS)
    hkl, value, sigma, batch = (
        np.concatenate([getattr(rows, name) for rows in parts]) for name in ("hkl", "value", "sigma", "batch")
    )
    kind, amplitudes = f"SHELX HKLF {instructions.hklf}", instructions.hklf == 3
    if is_list_2(source):
        kind, amplitudes = "SHELXL LIST 2", True
        warnings += ("plain lines in a .fcf are taken for LIST 2 of SHELXL: |F|, σ and phase, which is not read",)
    twin = instructions.hklf == 5 or (not amplitudes and has_twin_domains(value, sigma, batch))
    if twin and instructions.hklf != 5:
        kind = "SHELX HKLF 5"
        warnings += ("negative batch numbers say that this is a list of twin domains, HKLF 5: it is read as one",)
    listing = Listing(
        hkl=hkl @ instructions.matrix.T,
        value=value * instructions.scale,
        sigma=sigma * instructions.scale / instructions.weight**0.5,
        amplitudes=amplitudes,
        stated=instructions.stated,
        kind=f"{kind}, {layout} columns",
        warnings=warnings,
    )
    if twin:
        single = of_first_domain(batch)
        if not single.any():
            helps = "give a list in which the domains are taken apart (HKLF 4), as programs of integration write it"
            raise fault(source.path, "no reflection of the first twin domain alone is in the list (HKLF 5)", helps)
        listing = listing.kept(single, "HKLF 5, reflections of other twin domains, or of several at once")
    return listing


def _layout(lines: Sequence[bytes]) -> str:
    """Return "fixed" or "free", whichever reads more of some lines; fixed columns are SHELX's own rule."""
    fixed, free = (sum(read(line) is not None for line in lines) for read in (_fixed, _free))
    return "fixed" if fixed >= free else "free"


def _rows(lines: list[bytes], layout: str, path: Path, first: int) -> tuple[_Rows, list[bytes] | None]:
    """Return the numbers of lines, and the lines behind the end of the list; None where it does not end in them."""
    until = next((place for place, line in enumerate(lines) if _is_end(line)), None)
    behind = None if until is None else lines[until + 1 :]
    listed = lines[:until]
    if until is not None and (last := lines[until].partition(_END_OF_TEXT)[0]) != lines[until]:
        listed.append(last)
    try:
        return (_fixed_block(listed) if layout == "fixed" else _free_block(listed)), behind
    except ValueError:
        # A line is unlike the others, or no reflection at all.
        rows, used = _one_by_one(listed, layout, path, first)
    return rows, behind if used == len(listed) else lines[used:]


def _is_end(line: bytes) -> bool:
    """Return whether a line ends the list: 0 0 0 without an intensity, which would be F(000), or DOS's end of text."""
    if _END_OF_TEXT in line:
        return True
    words = line.split(None, 5)
    return words[:3] == _END and re.search(rb"[1-9]", b"".join(words[3:5])) is None


def _told_of_more(lines: Iterable[bytes], layout: str, end: int) -> tuple[str, ...]:
    """Return a warning if lines behind the end of the list, whose number is given, are reflections, too."""
    read = _fixed if layout == "fixed" else _free
    more = sum((row := read(line)) is not None and any(row[:3]) for line in islice(lines, _LOOKED_THROUGH))
    if not more:
        return ()
    return (f"line {end:,} ends the list, as in SHELX: at least {more:,} reflections behind it were not read",)


def _fixed_block(lines: list[bytes]) -> _Rows:
    """Read lines in fixed columns all at once.

    Raises:
        ValueError: a line is none of the kind.
    """
    table = np.array(lines, dtype=f"S{_WIDTH}")
    if not table.size or (np.char.str_len(table) < _COLUMNS[-1][0]).any():
        raise ValueError
    characters = table.view("S1").reshape(len(table), _WIDTH)
    numbers = [_column(characters, *columns) for columns in _COLUMNS]
    if not all((column == np.round(column)).all() for column in numbers[:3]) or _crossed(characters).any():
        raise ValueError
    try:
        batch = _column(characters, *_BATCH)
    except ValueError:
        batch = np.ones(len(table))
    return _Rows(np.stack(numbers[:3], 1), numbers[3], numbers[4], batch)


def _column(characters: NDArray[np.bytes_], start: int, end: int) -> NDArray[np.float64]:
    return np.ascontiguousarray(characters[:, start:end]).view(f"S{end - start}")[:, 0].astype(np.float64)


def _crossed(characters: NDArray[np.bytes_]) -> NDArray[np.bool_]:
    """Return on which lines a border divides a number: then the columns are not fixed.

    It does where the value goes on to the border and a digit follows. Between value and σ that is two numbers if σ has
    a point of its own, and between σ and batch number if that fills its four columns.
    """
    value_end, sigma_end = _COLUMNS[3][1], _COLUMNS[4][1]
    after_value, after_sigma = (
        (np.char.isdigit(characters[:, border - 1]) | (characters[:, border - 1] == b"."))
        & np.char.isdigit(characters[:, border])
        for border in (value_end, sigma_end)
    )
    point = (characters[:, value_end:sigma_end] == b".").any(1)
    batch = np.char.isdigit(characters[:, slice(*_BATCH)]).all(1) & ~np.char.isdigit(characters[:, _BATCH[1]])
    return (after_value & ~point) | (after_sigma & ~batch)


def _free_block(lines: list[bytes]) -> _Rows:
    """Read lines of equally many words all at once.

    Raises:
        ValueError: a line is none of the kind.
    """
    table = np.array([line.split(None, 6)[:6] for line in lines])  # rows of unequal lengths are refused
    if table.ndim != 2 or table.shape[1] < len(_COLUMNS):
        raise ValueError
    if np.char.str_len(table[:, :3]).max() > _LONGEST_INDEX:
        raise ValueError  # an index and the value touch
    hkl = table[:, :3].astype(np.int64).astype(np.float64)
    numbers = table[:, 3:].astype(np.float64)
    batch = numbers[:, 2] if numbers.shape[1] > 2 else np.ones(len(table))
    return _Rows(hkl, numbers[:, 0], numbers[:, 1], batch)


def _one_by_one(lines: list[bytes], layout: str, path: Path, first: int) -> tuple[_Rows, int]:
    """Read lines one by one, and return how many belong to the list.

    Empty ones are passed over, unless text follows: SHELX takes an empty line for the indices 0 0 0, and these, with
    whatever intensity, end a list.

    Raises:
        UserError: a line is not a reflection.
    """
    readers = (_fixed, _free) if layout == "fixed" else (_free, _fixed)
    rows: list[tuple[float, ...]] = []
    used = len(lines)
    for place, line in enumerate(lines):
        if not line.strip():
            continue
        row = readers[0](line) or readers[1](line)
        if row is None:
            if rows and (not lines[place - 1].strip() or not any(rows[-1][:3])):
                used = place
                break
            raise fault(path, f"{quoted(line)} is not a reflection", _HELPS, first + place)
        rows.append(row)
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return _Rows(table[:, :3], table[:, 3], table[:, 4], table[:, 5]), used


def _fixed(line: bytes) -> tuple[float, ...] | None:
    """Return h, k, l, value, σ and batch of a line in fixed columns; None if it is none."""
    try:
        rows = _fixed_block([line])
    except ValueError:
        return None
    return (*rows.hkl[0], rows.value[0], rows.sigma[0], rows.batch[0])


def _free(line: bytes) -> tuple[float, ...] | None:
    """Return the same of a line of words."""
    try:
        rows = _free_block([line])
    except ValueError:
        return None
    return (*rows.hkl[0], rows.value[0], rows.sigma[0], rows.batch[0])
