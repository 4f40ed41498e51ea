"""The blocks of a CIF, each read by itself, and their values by name."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from gemmi import cif

from phaselearn.data.structures import Unusable

_HEADER = re.compile(r"^[ \t]*(?=data_)", re.MULTILINE | re.IGNORECASE)
_TEXT_MARK = re.compile(r"^;", re.MULTILINE)
_ATOMS = re.compile(r"(?<!\S)_atom_site[._](?:fract|cartn)_[xyz](?!\S)", re.IGNORECASE)
_ATOM_NAMES = {f"_atom_site_{kind}_{axis}" for kind in ("fract", "cartn") for axis in "xyz"}
_FRACTION = re.compile(r"([+-]?\d{1,9})/([1-9]\d{0,8})")


class Block:
    """The values of a block.

    Names of tags are in lower case, with `_` for a dot, so that those of all dictionaries are the same. A value is
    text, empty if the file says that there is none (`.`), and None if it is unknown (`?`).
    """

    def __init__(self, block: cif.Block) -> None:
        self._block = block
        self._tags: defaultdict[str, list[str]] = defaultdict(list)
        for item in block:
            for tag in _tags(item):
                self._tags[_name(tag)].append(tag)

    def value(self, *names: str) -> str:
        """Return the first value under any of the names, alone or in a loop; empty if there is none."""
        return next((text for name in names for text in self.column(name) if text), "")

    def values(self, beginnings: tuple[str, ...]) -> list[str]:
        """Return the first value, empty if there is none, under each name that begins with one of the beginnings."""
        return [self.value(name) for name in self._tags if name.startswith(beginnings)]

    def column(self, *names: str) -> list[str | None]:
        """Return the values under the first name that has a known value, else under the first name in the block."""
        columns = [
            [_text(raw) for raw in self._block.find_values(tag)] for name in names for tag in self._tags.get(name, ())
        ]
        return next(filter(any, columns), columns[0] if columns else [])


def holds_many(path: Path) -> bool:
    """Return whether a file has more than one header of a block."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        return any(True for _ in islice(filter(_HEADER.match, file), 1, None))


def blocks(text: str) -> Iterator[Block | Unusable]:
    """Yield the blocks with atoms; a mistake in one block does not affect the others."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        document = cif.read_string(text)
    except (ValueError, RuntimeError):
        yield from _one_by_one(text)
    else:
        yield from (Block(block) for block in document if _has_atoms(block))


def number(text: str | None) -> float:
    """Return the value of `1.5`, `1.50(2)` or `2/3`; NaN if the text is not a number."""
    if text is None:
        return math.nan
    fraction = _FRACTION.fullmatch(text)
    return int(fraction[1]) / int(fraction[2]) if fraction else cif.as_number(text or "?")


def _one_by_one(text: str) -> Iterator[Block | Unusable]:
    """Yield the blocks of a file that is not valid as a whole."""
    starts = [header.start() for header in _HEADER.finditer(text)]
    ends = [*starts[1:], len(text)]
    if not starts or starts[0] > 0:
        starts, ends = [0, *starts], [starts[0] if starts else len(text), *ends]
    place = 0
    while place < len(starts):
        # A line `data_…` within a text field is not a header: a piece with half of such a field continues.
        last, marks = place, len(_TEXT_MARK.findall(text[starts[place] : ends[place]]))
        while marks % 2 and last + 1 < len(starts):
            last += 1
            marks += len(_TEXT_MARK.findall(text[starts[last] : ends[last]]))
        piece, fault = text[starts[place] : ends[last]], "a text field that is not closed"
        try:
            # None in comments before the first header.
            found = [Block(block) for block in cif.read_string(piece) if _has_atoms(block)]
        except (ValueError, RuntimeError) as error:
            found, fault = [], _told(error, text.count("\n", 0, starts[place]))
        else:
            # A field that is never closed swallows the atoms up to the next field.
            if found or not _ATOMS.search(piece):
                yield from found
                place = last + 1
                continue
        if _ATOMS.search(text, starts[place], ends[place]):
            yield Unusable(f"not valid CIF ({fault})")
        place += 1


def _told(error: Exception, above: int) -> str:
    """Return gemmi's words on a piece of a file that has some lines above it, with the line in the file."""
    place, _, words = str(error).partition(": ")
    line = re.match(r"string:(\d+)", place)
    return f"line {above + int(line[1])}: {words:.60}" if line else f"{words:.60}"


def _has_atoms(block: cif.Block) -> bool:
    return any(_name(tag) in _ATOM_NAMES for item in block for tag in _tags(item))


def _tags(item: cif.Item) -> list[str]:
    pair: Any = item.pair  # gemmi declares an object: it is a tag with its value, or None
    if pair is not None:
        return [pair[0]]
    return item.loop.tags if item.loop is not None else []


def _name(tag: str) -> str:
    return tag.lower().replace(".", "_")


def _text(raw: str) -> str | None:
    text = raw if cif.is_null(raw) else cif.as_string(raw).strip()
    return {"?": None, ".": ""}.get(text, text)  # in quotes, too: some programs write '?'
