"""Crystals, entries that were left out, and the sources that yield both."""

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
        lattice: cell vectors a, b, c (3, 3) as rows, float64 in Å.
        numbers: atomic numbers (n,), int64.
        positions: fractional coordinates (n, 3) in [0, 1), float64.
        prototype: structure type, made of the anonymous formula, the space group and the Wyckoff letters of each
            element's orbits; that of a random molecular crystal is the scaffold of its molecules.
        space_group: space-group number, 1 to 230.
        u_iso: displacement parameters U (n,) in Å²; None where the source gives none.
    """

    id: str
    lattice: np.ndarray
    numbers: np.ndarray
    positions: np.ndarray
    prototype: str
    space_group: int
    u_iso: np.ndarray | None = None

    @property
    def formula(self) -> str:
        """The reduced formula in pymatgen's form, worked out from the atoms, since it decides the split."""
        return reduced_formula(self.numbers)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An entry that a source could not turn into an ordered crystal, and why.

    Attributes:
        id: name of the entry: an identifier, or a file and a line.
        reason: a phrase that is the same for all entries left out for the same cause; details of this entry may
            follow in brackets.
    """

    id: str
    reason: str

    @property
    def cause(self) -> str:
        """The reason without the details in brackets; entries are counted by it."""
        return self.reason.partition(" (")[0]


class Unusable(Exception):
    """Raised for an entry that is not an ordered crystal; the message is the reason of its `LeftOut`."""


def unreadable(error: Exception, file: Path | None = None) -> Unusable:
    """Return the reason to leave out an entry that a library could not read.

    Args:
        error: the exception of the library.
        file: the file that was being read.

    Raises:
        OSError: the fault is the machine's (the disk is gone, too many files are open, …). The entry may then be sound,
            and a store without it would stay short.
    """
    fault = fault_behind(error, file)
    if fault is not None:
        fault.filename = fault.filename or (file and str(file))
        raise fault from error
    return Unusable(f"unreadable ({type(error).__name__})")


class Source(ABC):
    """An iterable of crystals with its provenance.

    A source yields a `LeftOut` for each entry that it cannot use, and continues. It raises
    `phaselearn.errors.UserError` only if nothing at all can be read.

    Attributes:
        rules: a number in the fingerprint; whoever changes which crystals a configuration yields, raises it.
        name: name of the source.
        licence: licence of the structures.
        attribution: whom to cite for the structures.
    """

    rules: ClassVar[int] = 1
    name: str
    licence: str
    attribution: str

    @abstractmethod
    def __iter__(self) -> Iterator[Crystal | LeftOut]:
        """Yield the entries, in an order that depends on the configuration alone."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a hexadecimal digest that changes with the structures that the source yields."""

    def __len__(self) -> int:
        """Return the number of entries, for progress bars; 0 if it is not known."""
        return 0

    def raw_entries(self) -> Iterator[Any]:
        """Yield the raw entries, from which `reader` makes the entries, in the same order.

        A source whose entries take long to read yields here what is found quickly, such as a path or a line, so that
        processes share the reading.
        """
        yield from self

    def reader(self) -> Callable[[Any], Iterable[Crystal | LeftOut]]:
        """Return a function that makes entries of a raw entry, and that can be sent to another process."""
        return _as_it_is


class EndlessSource(Source):
    """A source that can make a crystal for any number; it yields the first `count`."""

    @abstractmethod
    def crystal(self, number: int) -> Crystal:
        """Return crystal `number`, from 0 on; it depends on the number and the configuration, but not on the count."""

    def raw_entries(self) -> Iterator[int]:
        """Yield the numbers of the crystals."""
        yield from range(len(self))

    def reader(self) -> Callable[[int], Iterable[Crystal | LeftOut]]:
        """Return a function that makes the crystal of a number."""
        return self._numbered

    def _numbered(self, number: int) -> tuple[Crystal]:
        return (self.crystal(number),)


def storable(name: str) -> str:
    """Return a name as a store holds it: characters that cannot be printed are spelled, and a very long name is cut.

    A lone surrogate, from a file's name or from JSON, would otherwise end a build when the columns are written.
    """
    return name if len(name) <= _LONGEST_NAME and name.isprintable() else printable(name)[:_LONGEST_NAME]


def without_repeats(entries: Iterable[Crystal | LeftOut]) -> Iterator[Crystal | LeftOut]:
    """Yield the entries, with a `LeftOut` in place of each crystal whose id was there before."""
    seen: set[bytes] = set()
    for entry in entries:
        if isinstance(entry, Crystal):
            key = id_digest(entry.id)
            if key in seen:
                entry = LeftOut(entry.id, REPEATED)
            seen.add(key)
        yield entry


def id_digest(identifier: str) -> bytes:
    """Return an id's digest of eight bytes; two of ten million ids agree with a probability of one in 400,000."""
    return hashlib.blake2b(identifier.encode(), digest_size=8).digest()


def _as_it_is(entry: Crystal | LeftOut) -> tuple[Crystal | LeftOut]:
    return (entry,)
