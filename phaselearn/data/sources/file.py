"""Crystals from JSON lines: one object a line, plain or gzipped.

Fields: `lattice` (3 × 3, rows in Å), `species` (element symbols) and `frac_coords`; optional `id`, `formula`,
`prototype`, `spacegroup` and `licence`. The formula of a crystal is that of its atoms; a stated one is compared with
it.
"""

from __future__ import annotations

import gzip
import hashlib
import heapq
import json
import re
import zlib
from collections.abc import Callable, Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from phaselearn.crystal.space_group_names import settings_named, settings_numbered
from phaselearn.data.sources.readers.archives import most_unpacked
from phaselearn.data.sources.readers.formats import refuse_reflections
from phaselearn.data.sources.readers.rows import cell_of_row
from phaselearn.data.sources.structure_type import CELLS, crystal_of
from phaselearn.data.structures import Crystal, LeftOut, Source, Unusable, storable, without_repeats
from phaselearn.errors import UserError, check_whole, choose
from phaselearn.quoting import command, setting
from phaselearn.running import same_command

MOST_BYTES_A_LINE = 16 << 20
# The first line of a list, or of one object over many lines: these are not JSON lines.
_ONE_DOCUMENT = re.compile(rb"\s*(\[\s*(\{|$)|\{\s*$)")


class File(Source):
    """The structures of a file, in its order.

    Args:
        path: a file `….jsonl` or `….jsonl.gz`.
        count: number of rows to take; None for all. Those are taken whose id (or line, if a row has no id) has the
            smallest SHA-256, so that smaller choices lie within larger ones.
        licence: licence of the structures.
        attribution: whom to cite for the structures.
        cell: the cell that each crystal gets: `as_given`, `primitive` (Niggli-reduced) or `conventional`.

    Raises:
        UserError: there is no such file, it holds reflections, the count is below 1, or the cell is unknown.
    """

    name = "file"
    rules = 4

    def __init__(self, path: str, count: int | None, licence: str, attribution: str, cell: str = "as_given") -> None:
        choose("source.cell", cell, CELLS)
        self.path = Path(path)
        if not self.path.is_file():
            raise UserError(
                f"source.path={path} is not a file: a JSON-lines file (.jsonl or .jsonl.gz) is needed; "
                f"without one, try `{same_command('source=prototypes')}`"
            )
        refuse_reflections(self.path)
        if count is not None:
            check_whole("source.count", count, least=1, example=1000)
        self.count = count
        self.cell = cell
        self.licence = licence
        self.attribution = attribution

    def fingerprint(self) -> str:
        """Return a digest of the file's bytes, the count and the cell."""
        cell = "" if self.cell == "as_given" else f"{self.cell}:"
        digest = hashlib.sha256(f"{self.name}:{self.rules}:{self.count}:{cell}".encode())
        with open(self.path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
        return digest.hexdigest()

    def __iter__(self) -> Iterator[Crystal | LeftOut]:
        return without_repeats(entry for line in self.raw_entries() for entry in self._read(line))

    def raw_entries(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines that are taken, each with its number."""
        yield from self._lines() if self.count is None else self._choose(self.count)

    def reader(self) -> Callable[[tuple[int, bytes]], Iterator[Crystal | LeftOut]]:
        """Return a function that reads a line."""
        return self._read

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        opener = gzip.open if self.path.suffix == ".gz" else open
        try:
            with opener(self.path, "rb") as file:
                yield from self._numbered(file)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(
                f"{self.path} cannot be read to its end ({error}): check it with `{command('gzip -t', self.path)}`"
            ) from error

    def _numbered(self, file: BufferedIOBase) -> Iterator[tuple[int, bytes]]:
        """Yield the lines that are not empty; a line that is too long is cut behind the limit."""
        number = unpacked = 0
        most = most_unpacked(self.path)
        while line := file.readline(MOST_BYTES_A_LINE + 1):
            number += 1
            if number == 1 and _ONE_DOCUMENT.match(line):
                helps = same_command("source=folder", setting("source.path", self.path))
                raise UserError(
                    f"{self.path} is one JSON document, not one object a line: write each object on a line of its own, "
                    f"or read it with `{helps}`"
                )
            rest = line
            while len(rest) > MOST_BYTES_A_LINE and not rest.endswith(b"\n"):
                unpacked += len(rest)
                rest = file.readline(MOST_BYTES_A_LINE + 1)
            unpacked += len(rest)
            if self.path.suffix == ".gz" and unpacked > most:
                raise UserError(
                    f"{self.path} unpacks to more than {most:,} bytes, which no file of structures of its size does: "
                    f"unpack it with `{command('gunzip', self.path)}` if it is sound"
                )
            if line.strip():
                yield number, line

    def _choose(self, count: int) -> list[tuple[int, bytes]]:
        keyed = ((order_of_choice(_key(line)), number, line) for number, line in self._lines())
        return sorted((number, line) for _, number, line in heapq.nsmallest(count, keyed))

    def _read(self, numbered: tuple[int, bytes]) -> Iterator[Crystal | LeftOut]:
        number, line = numbered
        yield self._entry(f"{self.path.name}:{number}", line)

    def _entry(self, place: str, line: bytes) -> Crystal | LeftOut:
        if len(line) > MOST_BYTES_A_LINE:
            return LeftOut(place, f"line longer than {MOST_BYTES_A_LINE >> 20} MiB")
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            return LeftOut(place, "not valid JSON")
        if not isinstance(row, dict):
            return LeftOut(place, "not a JSON object")
        place = _id(row, place)
        try:
            return crystal_of(place, cell_of_row(row), self.cell, _stated_type(row))
        except Unusable as error:
            return LeftOut(place, str(error))


def order_of_choice(key: bytes) -> bytes:
    """Return the key by which rows are chosen: the smallest, so that smaller choices lie within larger ones."""
    return hashlib.sha256(key).digest()


def _key(line: bytes) -> bytes:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return line.strip()
    given = _id(row, "") if isinstance(row, dict) else ""
    return given.encode() if given else line.strip()


def _id(row: dict[str, Any], place: str) -> str:
    given = row.get("id")
    return place if given is None or given == "" else storable(str(given))


def _stated_type(row: dict[str, Any]) -> tuple[str, int] | None:
    """Return prototype and space group if both are stated; None if one of them must be worked out.

    A stated space group is believed if there is such a group. Whether the atoms have its symmetry depends on a
    tolerance, and others choose larger ones.

    Raises:
        Unusable: there is no such space group, or the prototype is not a name or names another group.
    """
    prototype, given = row.get("prototype"), row.get("spacegroup")
    number = None if given in (None, "") else _space_group(given)
    if not prototype:
        return None
    if not isinstance(prototype, str) or storable(prototype) != prototype:
        raise Unusable("a prototype that is not a name")
    named = re.fullmatch(r"[A-Za-z0-9]+_(\d{1,3})_[A-Za-z_]+", prototype)
    if number and named and int(named[1]) != number:
        raise Unusable(f"prototype and space group that do not agree ({prototype:.40}, {number})")
    return None if number is None else (prototype, number)


def _space_group(given: Any) -> int:
    """Return the number of a space group, stated by number or Hermann–Mauguin symbol."""
    number = 0
    if isinstance(given, str):
        groups = settings_numbered(given.lstrip("0")) or settings_named(given)
        number = groups[0].number if groups else 0
    elif isinstance(given, int | float) and not isinstance(given, bool) and given in range(1, 231):
        number = int(given)
    if not 1 <= number <= 230:
        raise Unusable(f"no such space group ({given!r:.40})")
    return number
