"""Tables with a line of column names: CSV, or words separated by blanks, tabulators or semicolons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.readers.listing import Listing, fault, gathered, quoted
from phaselearn.measured.readers.text import TextSource

_INTENSITIES = ("i", "intensity", "iobs", "i_obs", "imean", "f2", "fo2", "fobs2", "f^2", "f_squared", "f_squared_meas")
_AMPLITUDES = ("f", "fo", "fobs", "f_obs", "fmean", "amplitude", "f_meas")
_SIGMAS = ("sigma", "sig", "sigi", "sigmai", "sigma_i", "sig(i)", "sigma(i)", "sigf", "sigma_f", "sigmaf", "sigf2")
_MORE_SIGMAS = ("sigmaf2", "sigma(f)", "sigma(f2)", "esd", "su", "uncertainty", "error", "f_squared_sigma", "f_sigma")
_HELPS = "needed are columns named h, k, l, then I or F, and sigma"
_COMMENT = b"#"


def is_table(head: bytes) -> bool:
    """Return whether a file that begins so is a table."""
    return {"h", "k", "l"} <= set(_names(_first_line(head)))


def read_table(source: TextSource) -> Listing:
    """Return the reflections of a table.

    Raises:
        UserError: a column is missing, a line is not a reflection, or there are too many.
    """
    names: list[str] = []
    columns: list[int] = []

    def pieces() -> Iterator[NDArray[np.float64]]:
        for first, lines in source.lines():
            rows = []
            for number, line in enumerate(lines, first):
                if not line.strip() or line.lstrip().startswith(_COMMENT):
                    continue
                if not names:
                    names.extend(_names(line))
                    columns.extend(_columns(names, source.path, number))
                else:
                    rows.append((number, line))
            if rows:
                yield _numbers(rows, columns, source.path)

    table = gathered(pieces(), source.path, _HELPS)
    value = names[columns[3]]
    return Listing(
        hkl=table[:, :3],
        value=table[:, 3],
        sigma=table[:, 4] if len(columns) > 4 else np.full(len(table), np.nan),
        amplitudes=value in _AMPLITUDES,
        kind=f"table, column {value}",
    )


def _first_line(head: bytes) -> bytes:
    lines = (line for line in head.splitlines() if line.strip() and not line.lstrip().startswith(_COMMENT))
    return next(lines, b"")


def _words(line: bytes) -> list[str]:
    text = line.decode("utf-8", "replace").strip().lstrip("\ufeff")
    words = re.split(r"[,;\t]", text) if re.search(r"[,;\t]", text) else text.split()
    return [word.strip().strip("\"'") for word in words]


def _names(line: bytes) -> list[str]:
    return [word.lower() for word in _words(line)]


def _columns(names: list[str], path: Path, line: int) -> list[int]:
    """Return the places of h, k, l, the value, and σ if there is one."""
    value = next((name for name in (*_INTENSITIES, *_AMPLITUDES) if name in names), None)
    if value is None:
        raise fault(path, f"no column of intensities or amplitudes among {quoted(', '.join(names))}", _HELPS, line)
    sigma = [name for name in (*_SIGMAS, *_MORE_SIGMAS) if name in names][:1]
    return [names.index(name) for name in ("h", "k", "l", value, *sigma)]


def _numbers(rows: list[tuple[int, bytes]], columns: list[int], path: Path) -> NDArray[np.float64]:
    table = np.empty((len(rows), len(columns)))
    for place, (number, line) in enumerate(rows):
        words = _words(line)
        try:
            table[place] = [float(words[column] or "nan") for column in columns]
        except (ValueError, IndexError):
            raise fault(path, f"{quoted(line)} is not a reflection", _HELPS, number) from None
    return table
