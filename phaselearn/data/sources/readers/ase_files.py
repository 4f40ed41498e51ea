"""Files of ASE: extended XYZ, trajectories and databases; each frame or row is an entry."""

from __future__ import annotations

import re
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from phaselearn.data.admission import MOST_ATOMS, check_lattice
from phaselearn.data.sources.readers.rows import OCCUPANCIES
from phaselearn.data.sources.structure_type import Cell
from phaselearn.data.structures import Unusable, unreadable
from phaselearn.errors import UserError

_LONGEST_LINE = 1 << 20  # characters
_MOST_COLUMNS = 1000


def require_ase() -> None:
    """Check that ASE is installed.

    Raises:
        UserError: it is not.
    """
    try:
        import ase  # noqa: F401
    except ImportError as error:
        raise UserError(
            "extended XYZ, trajectories and databases of ASE need ASE, which is not installed: "
            "`pip install 'phaselearn[ase]'`, or choose other files, e.g. source.pattern='**/*.cif'"
        ) from error


def read_frames(path: Path) -> Iterator[tuple[str, Cell | Unusable]]:
    """Yield the frames of an extended XYZ file, numbered from 0.

    Raises:
        Unusable: a frame does not begin with its number of atoms, so that the beginning of the next one is unknown.
    """
    require_ase()
    from ase.io import read

    with open(path, encoding="utf-8", errors="replace") as file:
        lines = iter(lambda: file.readline(_LONGEST_LINE), "")
        number = 0
        for line in lines:
            if not line.strip():
                continue
            # Only digits, and not more than the number of a file's lines can have.
            if not re.fullmatch(r"\s*[0-9]{1,12}\s*", line):
                raise Unusable("not an XYZ file")
            count = int(line)
            if count > MOST_ATOMS:
                yield str(number), Unusable(f"more than {MOST_ATOMS:,} atoms ({count:,})")
                deque(islice(lines, count + 1), maxlen=0)
            else:
                # Frame by frame, since ASE rejects a whole file for one bad frame.
                frame = [line, *islice(lines, count + 1)]
                try:
                    _check_columns("".join(frame[1:2]))
                    atoms = read(StringIO("".join(frame)), format="extxyz")
                    yield str(number), cell_of(atoms)
                except Unusable as error:
                    yield str(number), error
                except Exception as error:
                    yield str(number), unreadable(error)
            number += 1


def _check_columns(heading: str) -> None:
    """Refuse a frame whose heading declares very many columns, since ASE allocates them before it reads any.

    Raises:
        Unusable: it declares too many.
    """
    columns = [int(count) for count in re.findall(r":\w:0*([0-9]{1,18})", heading)]
    if max(columns, default=0) > _MOST_COLUMNS:
        raise Unusable(f"more than {_MOST_COLUMNS:,} columns of one property ({max(columns):,})")


def read_trajectory(path: Path) -> Iterator[tuple[str, Cell | Unusable]]:
    """Yield the frames of a trajectory, numbered from 0."""
    require_ase()
    from ase.io import iread

    for number, atoms in enumerate(iread(path, format="traj")):
        yield str(number), _cell_or_reason(atoms)


def read_database(path: Path) -> Iterator[tuple[str, Cell | Unusable]]:
    """Yield the rows of a database (SQLite or JSON) under their own numbers.

    Raises:
        Unusable: it is not a database of ASE.
    """
    require_ase()
    from ase.db import connect

    kind = "json" if path.suffix.lower() == ".json" else "db"
    # ASE would write its tables into a database of another program.
    if kind == "db" and "systems" not in _tables(path):
        raise Unusable("not a database of ASE")
    with connect(path, type=kind, use_lock_file=False) as database:
        for row in database.select():
            yield str(row.id), _cell_or_reason(row)


def _tables(path: Path) -> set[str]:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            return {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    except sqlite3.DatabaseError as error:
        unreadable(error, path)  # raises if the disk is at fault
        return set()


def _cell_or_reason(atoms: Any) -> Cell | Unusable:
    try:
        return cell_of(atoms)
    except Unusable as error:
        return error
    except Exception as error:  # any damage to one entry; the next may be sound
        return unreadable(error)


def cell_of(atoms: Any) -> Cell:
    """Return lattice, positions and atomic numbers.

    Args:
        atoms: ASE's `Atoms`, or a row of a database, which has the same attributes but does not declare them.

    Raises:
        Unusable: it is not periodic in three directions, its lattice is rejected, a site is partially occupied, or an
            atom is not an element.
    """
    lattice = np.array(atoms.cell, dtype=np.float64)
    if not np.all(atoms.pbc) or not lattice.any(1).all():
        raise Unusable("not periodic in three directions")
    check_lattice(lattice)
    extra = getattr(atoms, "info", None) or getattr(atoms, "data", {})
    if any(_is_partial(place.get(name)) for place in (extra, getattr(atoms, "arrays", {})) for name in OCCUPANCIES):
        raise Unusable("partial occupancy")
    if (atoms.numbers < 1).any():
        raise Unusable("unknown element")
    positions = np.linalg.solve(lattice.T, np.asarray(atoms.positions, dtype=np.float64).T).T
    return lattice, positions, atoms.numbers.astype(np.int64)


def _is_partial(given: Any) -> bool:
    """Return whether occupancies say that a site is not one whole atom.

    Of a disordered site, ASE keeps the most frequent element among the atoms, and all elements in a dictionary of
    sites: in `info` of an `Atoms`, in `data` of a database's row. Files in extended XYZ have a number for each atom.
    """
    if given is None:
        return False
    if isinstance(given, Mapping):
        return any(
            not isinstance(site, Mapping) or len(site) != 1 or any(_is_partial(share) for share in site.values())
            for site in given.values()
        )
    try:
        shares = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        return True
    return not bool((np.abs(shares - 1) <= 1e-8).all())
