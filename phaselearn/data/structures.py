"""What a source of structures yields: an ordered crystal, or the reason why an entry was left out."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from phaselearn.data.formula import reduced_formula
from phaselearn.files import fault_behind
from phaselearn.quoting import printable

_LONGEST_NAME = 1000  # characters
REPEATED = "an id that was there before"


@dataclass(frozen=True, slots=True)
class Crystal:
    """An ordered crystal structure, all atoms of the cell written out (P1).

    Attributes:
        id: unique within its source.
        lattice: (3, 3) float64, rows are the cell vectors a, b, c in Å.
        numbers: (n,) int64 atomic numbers.
        positions: (n, 3) float64 fractional coordinates in [0, 1).
        prototype: structure type: anonymous formula, space group, Wyckoff letters of each element's orbits.
        space_group: space-group number, 1 to 230.
    """

    id: str
    lattice: np.ndarray
    numbers: np.ndarray
    positions: np.ndarray
    prototype: str
    space_group: int

    @property
    def formula(self) -> str:
        """The reduced formula of the atoms, pymatgen's form; it is never stated, since it decides the split."""
        return reduced_formula(self.numbers)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An entry that a source could not turn into an ordered crystal, and why.

    Attributes:
        id: the entry's name: an identifier, or a file and line.
        reason: one phrase, the same for all entries left out for the same cause; in brackets behind it, what is this
            entry's own.
    """

    id: str
    reason: str

    @property
    def cause(self) -> str:
        """The reason without what is this entry's own: what entries are counted by."""
        return self.reason.partition(" (")[0]


class Unusable(Exception):
    """An entry that is no ordered crystal; the message is the reason of its `LeftOut`."""


def unreadable(error: Exception, file: Path | None = None) -> Unusable:
    """Return why an entry is left out of which a library could not make anything.

    Args:
        error: that of the library.
        file: what was being read.

    Raises:
        OSError: the fault is the machine's (the disk is gone, too many files are open, …), so that the entry may be
            sound, and a store without it would stay short.
    """
    fault = fault_behind(error, file)
    if fault is not None:
        fault.filename = fault.filename or (file and str(file))
        raise fault from error
    return Unusable(f"unreadable ({type(error).__name__})")


class Source(ABC):
    """An iterable of crystals with its provenance.

    A source yields a `LeftOut` for each entry that it cannot use and never stops at one; it raises
    `phaselearn.errors.UserError` only where nothing at all can be read.

    Attributes:
        rules: part of the fingerprint: raised by whoever changes which crystals a configuration yields.
    """

    rules: ClassVar[int] = 1
    name: str
    licence: str
    attribution: str

    @abstractmethod
    def __iter__(self) -> Iterator[Crystal | LeftOut]:
        """Yield the entries in an order that depends on the configuration alone."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a hexadecimal digest that changes when the structures that would be yielded change."""

    def __len__(self) -> int:
        """Return how many entries will be yielded, for progress bars; 0 where that is not known."""
        return 0

    def raw_entries(self) -> Iterator[Any]:
        """Yield what `reader` makes the entries of, in their order.

        A source whose entries take long to read yields here what is quick to find (a path, a line), so that processes
        share the reading.
        """
        yield from self

    def reader(self) -> Callable[[Any], Iterable[Crystal | LeftOut]]:
        """Return a function of a raw entry that gives its entries; it can be sent to another process."""
        return _as_it_is


class EndlessSource(Source):
    """A source that can make a crystal of any number; the first `count` are what it yields."""

    @abstractmethod
    def crystal(self, number: int) -> Crystal:
        """Return crystal `number`, 0 or more; it depends on the configuration, without the count, and on that alone."""

    def raw_entries(self) -> Iterator[int]:
        """Yield the numbers of the crystals."""
        yield from range(len(self))

    def reader(self) -> Callable[[int], Iterable[Crystal | LeftOut]]:
        """Return what makes the crystal of a number."""
        return self._numbered

    def _numbered(self, number: int) -> tuple[Crystal]:
        return (self.crystal(number),)


def storable(name: str) -> str:
    """Return a name as a store holds it: what cannot be printed is spelled, and what is very long is cut.

    A lone surrogate, of a file's name or of JSON, would otherwise end a build when its columns are written.
    """
    return name if len(name) <= _LONGEST_NAME and name.isprintable() else printable(name)[:_LONGEST_NAME]


def without_repeats(entries: Iterable[Crystal | LeftOut]) -> Iterator[Crystal | LeftOut]:
    """Yield the entries, a crystal whose id was there before as left out."""
    seen: set[bytes] = set()
    for entry in entries:
        if isinstance(entry, Crystal):
            key = id_digest(entry.id)
            if key in seen:
                entry = LeftOut(entry.id, REPEATED)
            seen.add(key)
        yield entry


def id_digest(identifier: str) -> bytes:
    """Return eight bytes that tell an id from others; that two of ten million agree by chance is one in 400,000."""
    return hashlib.blake2b(identifier.encode(), digest_size=8).digest()


def _as_it_is(entry: Crystal | LeftOut) -> tuple[Crystal | LeftOut]:
    return (entry,)
