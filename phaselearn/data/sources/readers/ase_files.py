"""What ASE writes: extended XYZ, trajectories and databases; each frame or row is an entry."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from phaselearn.data.sources.symmetry import Cell
from phaselearn.data.structures import Unusable
from phaselearn.errors import UserError

if TYPE_CHECKING:
    from ase import Atoms


def require_ase() -> None:
    """Refuse to go on without ASE.

    Raises:
        UserError: it is not installed.
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
        Unusable: a frame does not begin with its number of atoms; where the next one begins is then not known.
    """
    require_ase()
    from ase.io import read

    with open(path, encoding="utf-8") as file:
        number = 0
        for line in file:
            if not line.strip():
                continue
            try:
                atoms = int(line)
            except ValueError as error:
                raise Unusable("not an XYZ file") from error
            # Frame by frame: ASE gives up a whole file for one bad frame.
            frame = "".join([line, *islice(file, atoms + 1)])
            try:
                yield str(number), cell_of(read(StringIO(frame), format="extxyz"))
            except Unusable as error:
                yield str(number), error
            except Exception as error:
                yield str(number), Unusable(f"unreadable ({type(error).__name__})")
            number += 1


def read_trajectory(path: Path) -> Iterator[tuple[str, Cell | Unusable]]:
    """Yield the frames of a trajectory, numbered from 0."""
    require_ase()
    from ase.io import iread

    for number, atoms in enumerate(iread(path, format="traj")):
        yield str(number), _cell_or_reason(atoms)


def read_database(path: Path) -> Iterator[tuple[str, Cell | Unusable]]:
    """Yield the rows of a database (SQLite or JSON) under their own numbers.

    Raises:
        Unusable: it is not one of ASE.
    """
    require_ase()
    from ase.db import connect

    kind = "json" if path.suffix.lower() == ".json" else "db"
    # ASE would write its tables into a database of another program.
    if kind == "db" and "systems" not in _tables(path):
        raise Unusable("not a database of ASE")
    with connect(path, type=kind, use_lock_file=False) as database:
        for row in database.select():
            yield str(row.id), _cell_or_reason(row.toatoms(add_additional_information=True))


def _tables(path: Path) -> set[str]:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            return {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    except sqlite3.DatabaseError:
        return set()


def _cell_or_reason(atoms: Atoms) -> Cell | Unusable:
    try:
        return cell_of(atoms)
    except Unusable as error:
        return error


def cell_of(atoms: Atoms) -> Cell:
    """Return lattice, positions and atomic numbers.

    Raises:
        Unusable: no periods in three directions, partial occupancy, or an atom that is no element.
    """
    if not atoms.pbc.all() or atoms.cell.rank < 3:
        raise Unusable("not periodic in three directions")
    # ASE keeps the most frequent element of a disordered site among the atoms, and all of them beside.
    extra = atoms.info | atoms.info.get("data", {})
    sites = (extra.get("occupancy") or {}).values()
    if any(len(site) != 1 or abs(share - 1) > 1e-8 for site in sites for share in site.values()):
        raise Unusable("partial occupancy")
    if (atoms.numbers < 1).any():
        raise Unusable("unknown element")
    return np.array(atoms.cell), atoms.get_scaled_positions(wrap=False), atoms.numbers.astype(np.int64)
