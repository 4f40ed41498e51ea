"""Crystals from JSON lines: one object a line, plain or gzipped.

Fields: `lattice` (3 × 3, rows in Å), `species` (element symbols), `frac_coords`; optional `id`, `formula`,
`prototype`, `spacegroup`, `licence`.
"""

from __future__ import annotations

import gzip
import hashlib
import heapq
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Composition, Element

from phaselearn.data.sources.symmetry import CELLS, choose_cell, structure_type, wrap
from phaselearn.data.structures import Crystal, LeftOut, Source, Unusable
from phaselearn.errors import UserError

_NUMBERS = {element.symbol: element.Z for element in Element} | {"D": 1, "T": 1}


class File(Source):
    """The structures of a file, in its order.

    Args:
        path: `….jsonl` or `….jsonl.gz`.
        count: take only so many, those whose id has the smallest SHA-256 (the whole line, where a row has no id):
            smaller choices lie within larger ones.
        licence: of the structures.
        attribution: whom to cite for them.
        cell: `as_given`, `primitive` (Niggli-reduced) or `conventional`.

    Raises:
        UserError: no such file, a count below 1, or an unknown cell.
    """

    name = "file"
    rules = 2

    def __init__(self, path: str, count: int | None, licence: str, attribution: str, cell: str = "as_given") -> None:
        if cell not in CELLS:
            raise UserError(
                f"source.cell={cell} is unknown: allowed are {', '.join(CELLS)}, e.g. source.cell=primitive"
            )
        self.path = Path(path)
        if not self.path.is_file():
            raise UserError(
                f"source.path={path} is no file: a JSON-lines file (.jsonl or .jsonl.gz) is needed; "
                "without one, try `python train.py source=prototypes`"
            )
        if count is not None and count < 1:
            raise UserError(f"source.count={count}: at least 1 is needed, or null for all, e.g. source.count=1000")
        self.count = count
        self.cell = cell
        self.licence = licence
        self.attribution = attribution

    def fingerprint(self) -> str:
        """Return a digest of the file's bytes, the count and its rule of choice, and the cell."""
        cell = "" if self.cell == "as_given" else f"{self.cell}:"
        digest = hashlib.sha256(f"{self.name}:{self.rules}:{self.count}:{cell}".encode())
        with open(self.path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
        return digest.hexdigest()

    def __iter__(self) -> Iterator[Crystal | LeftOut]:
        for line in self.raw_entries():
            yield from self._read(line)

    def raw_entries(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines that are taken, with their numbers."""
        yield from self._lines() if self.count is None else self._choose(self.count)

    def reader(self) -> Callable[[tuple[int, bytes]], Iterator[Crystal | LeftOut]]:
        """Return what reads a line."""
        return self._read

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        opener = gzip.open if self.path.suffix == ".gz" else open
        try:
            with opener(self.path, "rb") as file:
                for number, line in enumerate(file, start=1):
                    if line.strip():
                        yield number, line
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(
                f"{self.path} cannot be read to its end ({error}): check it with `gzip -t {self.path}`"
            ) from error

    def _choose(self, count: int) -> list[tuple[int, bytes]]:
        keyed = ((order_of_choice(_key(line)), number, line) for number, line in self._lines())
        return sorted(place for _, *place in heapq.nsmallest(count, keyed))

    def _read(self, numbered: tuple[int, bytes]) -> Iterator[Crystal | LeftOut]:
        number, line = numbered
        yield self._entry(f"{self.path.name}:{number}", line)

    def _entry(self, place: str, line: bytes) -> Crystal | LeftOut:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            return LeftOut(place, "not valid JSON")
        if not isinstance(row, dict):
            return LeftOut(place, "not a JSON object")
        place = str(row.get("id") or place)
        missing = [field for field in ("lattice", "species", "frac_coords") if field not in row]
        if missing:
            return LeftOut(place, f"field missing: {', '.join(missing)}")
        try:
            return _crystal(place, row, self.cell)
        except Unusable as error:
            return LeftOut(place, str(error))


def order_of_choice(key: bytes) -> bytes:
    """Return what rows are sorted by where only some are taken: of any two choices the smaller lies within."""
    return hashlib.sha256(key).digest()


def _key(line: bytes) -> bytes:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return line.strip()
    return str(row["id"]).encode() if isinstance(row, dict) and row.get("id") else line.strip()


def _crystal(place: str, row: dict[str, Any], cell: str) -> Crystal:
    species = row["species"]
    if not isinstance(species, list) or not all(isinstance(symbol, str) for symbol in species):
        raise Unusable("partial occupancy: species are not one element an atom")
    if any(symbol not in _NUMBERS for symbol in species):
        raise Unusable("unknown element")
    if any(row.get(field) not in (None, 1, [1] * len(species)) for field in ("occupancy", "occupancies")):
        raise Unusable("partial occupancy")
    try:
        lattice = np.array(row["lattice"], dtype=np.float64)
        positions = np.array(row["frac_coords"], dtype=np.float64).reshape(-1, 3)
    except (TypeError, ValueError, OverflowError) as error:
        raise Unusable("lattice or frac_coords are not numbers") from error
    if lattice.shape != (3, 3) or len(positions) != len(species):
        raise Unusable("lattice, species and frac_coords do not fit together")
    numbers = np.array([_NUMBERS[symbol] for symbol in species], dtype=np.int64)
    if not species:
        raise Unusable("no atoms")
    formula = row.get("formula") or _formula(species)
    prototype, space_group = row.get("prototype"), row.get("spacegroup")
    try:
        lattice, positions, numbers = choose_cell((lattice, positions, numbers), cell)
        if not prototype or not isinstance(space_group, int):
            prototype, space_group = structure_type((lattice, positions, numbers))
    except Exception as error:
        raise Unusable("no symmetry found") from error
    return Crystal(place, str(formula), lattice, numbers, wrap(positions), str(prototype), space_group)


def _formula(species: list[str]) -> str:
    return Composition(Counter("H" if symbol in ("D", "T") else symbol for symbol in species)).reduced_formula
