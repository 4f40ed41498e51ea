"""Records of a benchmark: the results of a method on a crystal, each a line of a CSV file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from phaselearn.files import readable, write_csv


class Attempt(NamedTuple):
    """The state of a search over a crystal after some of its starts.

    Attributes:
        starts: the number of starts so far; 1 for a method without starts.
        seconds: the crystal's share of the time so far.
        solved: whether the best phases so far are right.
    """

    starts: int
    seconds: float
    solved: bool


@dataclass(frozen=True)
class CrystalRecord:
    """One crystal under one method in one regime; missing values are NaN.

    Attributes:
        method, regime: names of the method and of the regime.
        id, formula, prototype, space_group, atoms: facts of the crystal; `atoms` is the number in its cell.
        prototype_seen: whether training saw its structure type.
        correlation, floor, gain, phase_error, solved, atoms_found, strict, hard, counted, failed: the `Judgement`.
        seconds: the crystal's share of the time of its batch on the processor or the GPU. Each stage of a search is
            shared by the crystals that took part in it.
        reflections, volume: number of unique reflections observed; volume of the cell in Å³.
        r_factor, skewness, peakiness, symmetry, inversion: figures of merit of the map, from `phaselearn.phasing`.
        agreement, cycles, expected_correlation: the method's own figures of merit, as in `Solution`.
        attempts: the states of the search, the last being the result.
    """

    method: str
    regime: str
    id: str
    formula: str
    prototype: str
    space_group: int
    atoms: int
    prototype_seen: bool
    correlation: float
    floor: float
    gain: float
    phase_error: float
    solved: bool
    atoms_found: float
    strict: bool
    hard: bool
    counted: bool
    failed: bool
    seconds: float
    reflections: int
    volume: float
    r_factor: float
    skewness: float
    peakiness: float
    symmetry: float
    inversion: float
    agreement: float
    cycles: float
    expected_correlation: float
    attempts: tuple[Attempt, ...]


_READ: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": lambda text: text == "True",
    "tuple[Attempt, ...]": lambda text: tuple(Attempt(*attempt) for attempt in json.loads(text)),
}


def write_records(path: Path, records: Sequence[CrystalRecord], *, exact: bool) -> None:
    """Write records in one step: a file that exists is complete.

    Args:
        path: the file.
        records: the records.
        exact: whether a benchmark goes on with them, so that all digits are written; a person reads six.
    """
    rows = [
        asdict(record) | {"attempts": json.dumps(record.attempts if exact else readable(record.attempts))}
        for record in records
    ]
    write_csv(path, rows, [field.name for field in fields(CrystalRecord)], exact=exact)


def read_records(path: Path) -> list[CrystalRecord]:
    """Read records written by `write_records`."""
    return [
        CrystalRecord(**{field.name: _READ[str(field.type)](row[field.name]) for field in fields(CrystalRecord)})
        for row in read_rows(path)
    ]


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV file, with values as text."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))
