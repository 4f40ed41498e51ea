"""SHELX reflections (.hkl): three indices, a value and its σ on each line, in fixed columns or separated by blanks.

Fixed columns are 3I4, 2F8.2, I4 and direction cosines after them. Numbers may fill their columns so that they touch,
and may have more or fewer decimals than two. A line of indices 0 0 0 ends the list; what follows is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.readers.instructions import Instructions
from phaselearn.measured.readers.listing import MOST_REFLECTIONS, Listing, fault, quoted, too_many
from phaselearn.measured.readers.text import TextSource

_WIDTH = 32  # characters that are read; direction cosines follow
_COLUMNS = ((0, 4), (4, 8), (8, 12), (12, 20), (20, 28))
_BATCH = (28, 32)
_LONGEST_INDEX = 5  # characters
_END = [b"0", b"0", b"0"]
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
        UserError: a line is not a reflection, there is none, or there are too many.
    """
    parts: list[_Rows] = []
    layout = ""
    total = 0
    for first, lines in source.lines():
        layout = layout or _layout(lines[:_TRIED])
        rows, ended = _rows(lines, layout, source.path, first)
        parts.append(rows)
        total += len(rows.value)
        if total > MOST_REFLECTIONS:
            raise too_many(source.path)
        if ended:
            break
    if not total:
        raise fault(source.path, "no reflection", _HELPS)
    hkl = np.concatenate([rows.hkl for rows in parts]) @ instructions.matrix.T
    value, sigma = (
        np.concatenate([getattr(rows, name) for rows in parts]) * instructions.scale for name in ("value", "sigma")
    )
    listing = Listing(
        hkl=hkl,
        value=value,
        sigma=sigma,
        amplitudes=instructions.hklf == 3,
        stated=instructions.stated,
        kind=f"SHELX HKLF {instructions.hklf}, {layout} columns",
        warnings=instructions.warnings,
    )
    if instructions.hklf == 5:
        batch = np.concatenate([rows.batch for rows in parts])
        listing = listing.kept(_single(batch), "HKLF 5, reflections of other twin domains, or of several at once")
    return listing


def _layout(lines: Sequence[bytes]) -> str:
    """Return "fixed" or "free", whichever reads more of some lines; fixed columns are SHELX's own rule."""
    fixed, free = (sum(read(line) is not None for line in lines) for read in (_fixed, _free))
    return "fixed" if fixed >= free else "free"


def _rows(lines: list[bytes], layout: str, path: Path, first: int) -> tuple[_Rows, bool]:
    """Return the numbers of lines, and whether the end of the list is among them."""
    until = next((place for place, line in enumerate(lines) if line.split(None, 3)[:3] == _END), None)
    lines = lines[:until]
    try:
        rows = _fixed_block(lines) if layout == "fixed" else _free_block(lines)
    except ValueError:
        # A line is unlike the others, or no reflection at all.
        rows = _one_by_one(lines, layout, path, first)
    return rows, until is not None


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
    a point of its own.
    """
    value_end, sigma_end = _COLUMNS[3][1], _COLUMNS[4][1]
    after_value, after_sigma = (
        (np.char.isdigit(characters[:, border - 1]) | (characters[:, border - 1] == b"."))
        & np.char.isdigit(characters[:, border])
        for border in (value_end, sigma_end)
    )
    point = (characters[:, value_end:sigma_end] == b".").any(1)
    return (after_value & ~point) | after_sigma


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


def _one_by_one(lines: list[bytes], layout: str, path: Path, first: int) -> _Rows:
    """Read lines one by one; empty ones are passed over.

    Raises:
        UserError: a line is not a reflection.
    """
    readers = (_fixed, _free) if layout == "fixed" else (_free, _fixed)
    rows = []
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        row = readers[0](line) or readers[1](line)
        if row is None:
            raise fault(path, f"{quoted(line)} is not a reflection", _HELPS, number)
        rows.append(row)
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return _Rows(table[:, :3], table[:, 3], table[:, 4], table[:, 5])


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


def _single(batch: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which rows of HKLF 5 belong to the first domain alone: a negative number goes on in the next line."""
    after_another = np.concatenate(([False], batch[:-1] < 0))
    return (batch == 1) & ~after_another
