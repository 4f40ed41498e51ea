"""The choice of a reader by a file's name; files that end with .gz, .bz2 or .xz are unpacked first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from phaselearn.data.sources.readers import ase_files, cif, poscar, pymatgen_files, pymatgen_json, shelx
from phaselearn.data.sources.readers.archives import unpacked, unpacked_name
from phaselearn.data.sources.structure_type import Cell
from phaselearn.data.structures import Unusable
from phaselearn.errors import UserError
from phaselearn.files import holds_reflections
from phaselearn.quoting import command, setting

# A label, which is unique within the file, with the cell of an entry or the reason to leave it out.
Entries = Iterator[tuple[str, Cell | Unusable]]


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        patterns: patterns of the names of such files, in lower case.
        read: function that yields the entries of an unpacked file.
        of_ase: whether ASE reads such files.
        many: whether such files usually hold more than one structure.
    """

    patterns: tuple[str, ...]
    read: Callable[[Path], Entries]
    of_ase: bool = False
    many: bool = False


_FORMATS = (
    Format(("*.cif", "*.mcif"), cif.read),
    Format(("*.res",), shelx.read),
    Format(("*.json", "*.mson"), pymatgen_json.read, many=True),
    Format(("*.yaml", "*.yml"), pymatgen_json.read_yaml, many=True),
    Format(("*.extxyz", "*.xyz"), ase_files.read_frames, of_ase=True, many=True),
    Format(("*.db",), ase_files.read_database, of_ase=True, many=True),
    Format(("*.traj",), ase_files.read_trajectory, of_ase=True, many=True),
    Format(("*poscar*", "*contcar*", "*.vasp", "chgcar*", "locpot*"), poscar.read),
)
# vasprun.xml, cssr, xsf, …: formats that pymatgen knows by the file's name.
_ANY_OTHER = Format(("*",), pymatgen_files.read)


def format_of(file: Path) -> Format:
    """Return the format of a file by its name."""
    name = unpacked_name(file).lower()
    return next(
        (kind for kind in _FORMATS if any(fnmatch(name, pattern) for pattern in kind.patterns)),
        _ANY_OTHER,
    )


def holds_many(file: Path) -> bool:
    """Return whether a file may hold more than one structure."""
    kind = format_of(file)
    if kind.read is not cif.read:
        return kind.many
    try:
        with unpacked(file) as plain:
            return cif.holds_many(plain)
    except Exception:  # the reader will report it
        return False


def refuse_reflections(file: Path) -> None:
    """Refuse a file of measured reflections, which is none of structures.

    Raises:
        UserError: its name says that it is one.
    """
    if holds_reflections(file):
        raise UserError(
            f"{setting('source.path', file)} holds measured reflections, and structures are needed: solve it with "
            f"`{command('phaselearn solve', file)}`, whose starts= takes a trained network, too"
        )


def read_structures(file: Path) -> Entries:
    """Yield the entries of a file.

    Raises:
        Unusable: the file has no format that is known.
        UserError: an optional package is missing.
        Exception: whatever the reader of the format raises where a file is damaged.
    """
    with unpacked(file) as plain:
        yield from format_of(file).read(plain)
