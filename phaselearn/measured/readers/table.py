"""Tables with a line of column names: CSV, or words separated by blanks, tabulators or semicolons.

A comma is a decimal sign where it does not separate columns, and where it cannot mean thousands.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.readers.column_names import Columns, columns_named, has_indices
from phaselearn.measured.readers.listing import Listing, fault, gathered, quoted
from phaselearn.measured.readers.text import TextSource
from phaselearn.quoting import printable

_HELPS = "needed are columns named h, k, l, then I or F, and sigma"
_DECIMALS = "write numbers with a decimal point, and without one or a comma for thousands"
_COMMENT = b"#"
_MOST_TITLES = 5  # lines before that of the names
_MOST_BETWEEN = 20  # lines between names behind a # and the first numbers
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")


def is_table(head: bytes) -> bool:
    """Return whether a file that begins so is a table."""
    return _place_of_names(head.split(b"\n")) is not None


def read_table(source: TextSource) -> Listing:
    """Return the reflections of a table.

    Raises:
        UserError: a column is missing, a line is not a reflection, numbers are ambiguous, or there are too many.
    """
    before = source.head().split(b"\n")
    place = _place_of_names(before)
    if place is None:
        raise fault(source.path, "no line of column names", _HELPS)
    names = _names(before[place])
    columns = columns_named(names)
    if columns is None:
        what = f"no column of intensities or amplitudes among {quoted(', '.join(names))}"
        raise fault(source.path, what, _HELPS, place + 1)
    rows = _Rows(source.path, len(names), columns)

    def pieces() -> Iterator[NDArray[np.float64]]:
        for first, lines in source.lines():
            numbered = [(number, line) for number, line in enumerate(lines, first) if number > place + 1]
            found = [(number, line) for number, line in numbered if line.strip() and not _is_comment(line)]
            if found:
                yield rows.numbers(found)

    table = gathered(pieces(), source.path, _HELPS)
    rows.check_commas()
    warnings = [f"{quoted(line)} stands before the names of the columns" for line in _titles(before[:place])]
    read = [printable(names[one]) for one in columns.places[3:]]
    others = [name for one, name in enumerate(names) if one not in columns.places and name]
    if columns.sigma is None and others:
        warnings.append(f"no column was taken for σ of {read[0]}; not read were {quoted(', '.join(others))}")
    return Listing(
        hkl=table[:, :3],
        value=table[:, 3],
        sigma=np.full(len(table), np.nan) if columns.sigma is None else table[:, 4],
        amplitudes=columns.amplitudes,
        kind=f"table, {' and '.join(read)}",
        warnings=tuple(warnings),
    )


@dataclass
class _Rows:
    """Lines of a table become numbers.

    Attributes:
        path: the file, for errors.
        names: number of names of columns.
        columns: places of what is read.
        separator: sign between columns, a blank for any blanks; empty before the first line.
        comma: numbers with a comma have been found.
        point: numbers with a point have been found.
        decimal: a comma was a decimal sign for certain.
    """

    path: Path
    names: int
    columns: Columns
    separator: str = ""
    comma: bool = False
    point: bool = False
    decimal: bool = False

    def numbers(self, lines: list[tuple[int, bytes]]) -> NDArray[np.float64]:
        """Return h, k, l, the value, and σ if there is one, of numbered lines.

        Raises:
            UserError: a line is not a reflection, or its numbers are ambiguous.
        """
        places = self.columns.places
        table = np.empty((len(lines), len(places)))
        for row, (number, line) in enumerate(lines):
            text = line.decode("utf-8", "replace").strip()
            self.separator = self.separator or separator_of(text, max(places))
            try:
                words = _words(text, self.separator)
                read = [words[place] for place in places]
                self._look_at(read)
                table[row] = [float(word.replace(",", ".") or "nan") for word in read]
            except (ValueError, IndexError, csv.Error):
                helps = _DECIMALS if self.comma else _HELPS
                raise fault(self.path, f"{quoted(line)} is not a reflection", helps, number) from None
            if any(map(_is_number, words[self.names :])):  # remarks may stand there
                what = f"{quoted(line)} has more numbers than there are names of columns"
                helps = _DECIMALS if self.separator == "," else "name every column in the line of names"
                raise fault(self.path, what, helps, number)
            if self.comma and self.point:
                raise fault(self.path, f"{quoted(line)}: points and commas in numbers", _DECIMALS, number)
        return table

    def check_commas(self) -> None:
        """Check that commas are decimal signs.

        Raises:
            UserError: they may as well separate thousands.
        """
        if self.comma and not self.decimal:
            raise fault(self.path, "commas in numbers may be decimal signs or thousands", _DECIMALS)

    def _look_at(self, words: list[str]) -> None:
        for word in words:
            if "," in word:
                self.comma = True
                self.decimal = self.decimal or not _THOUSANDS.fullmatch(word)
            self.point = self.point or "." in word


def _is_number(word: str) -> bool:
    return re.fullmatch(r"[-+]?(\d+[.,]?\d*|[.,]\d+)(e[-+]?\d+)?", word, re.IGNORECASE) is not None


def _is_comment(line: bytes) -> bool:
    return line.lstrip().startswith(_COMMENT)


def _titles(lines: list[bytes]) -> list[bytes]:
    return [line for line in lines if line.strip() and not _is_comment(line)]


def _place_of_names(lines: list[bytes]) -> int | None:
    """Return the place of the line of names: the first one, or one behind titles or a # that numbers follow."""
    titles = 0
    for place, line in enumerate(lines):
        if not line.strip():
            continue
        if titles > _MOST_TITLES or re.match(rb"\s*[-+.\d]", line):
            return None
        is_first = not titles and not _is_comment(line)
        if has_indices(_names(line)) and (is_first or _begins_with_row(lines[place + 1 : place + _MOST_BETWEEN])):
            return place
        titles += not _is_comment(line)
    return None


def _begins_with_row(lines: list[bytes]) -> bool:
    return any(re.match(rb"\s*[-+\d]", line) for line in _titles(lines)[:1])


def _names(line: bytes) -> list[str]:
    text = line.decode("utf-8", "replace").strip().lstrip("#").strip()
    words = re.split(r"[,;\t]", text) if re.search(r"[,;\t]", text) else text.split()
    return [word.strip().strip("\"'") for word in words]


def separator_of(row: str, last: int) -> str:
    """Return the sign that separates the columns of a row up to a last one that is read, a blank for any blanks.

    Args:
        row: the line.
        last: place of that column, from 0.
    """
    return next((sign for sign in "\t;," if row.count(sign) >= last), " ")


def _words(text: str, separator: str) -> list[str]:
    """Return the words of a line; what is quoted is one.

    Raises:
        csv.Error: a word is too long.
    """
    if separator == " ":
        return [word.strip("\"'") for word in text.split()]
    return [word.strip().strip("'") for word in next(csv.reader([text], delimiter=separator, skipinitialspace=True))]
