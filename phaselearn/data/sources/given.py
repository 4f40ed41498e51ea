"""Crystals from what a Python program holds: structures of pymatgen and ASE, files, and crystals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pymatgen.core import Structure

from phaselearn.data.screening import screen
from phaselearn.data.sources.folder import Folder
from phaselearn.data.sources.readers import ase_files, pymatgen_files
from phaselearn.data.sources.structure_type import crystal_of
from phaselearn.data.structures import Crystal, LeftOut, Unusable
from phaselearn.errors import UserError

_CELL = "as_given"  # a map belongs to the cell that the program holds


def crystals_given(structures: Iterable[Any], longest_edge: float, scattering: str) -> Iterator[Crystal]:
    """Yield the crystals of structures, each in the cell that it has.

    Args:
        structures: crystals, pymatgen's `Structure`, ASE's `Atoms`, or paths of files and folders that
            `source=folder` reads. The id of a crystal that is not from a file is its number in the list.
        longest_edge: longest cell edge that is allowed, in Å.
        scattering: a name in `SCATTERING`; how all elements scatter must be known.

    Raises:
        UserError: a structure cannot be used; the error gives the reason.
    """
    for number, given in enumerate(structures):
        for entry in _entries(number, given):
            reason: str | None
            if isinstance(entry, LeftOut):
                reason = entry.reason
            else:
                [reason] = screen([entry], longest_edge, scattering=scattering)
                if reason is None:
                    yield entry
            if reason is not None:
                raise UserError(f"structure {number} ({entry.id}) cannot be used ({reason}): leave it out")


def _entries(number: int, given: Any) -> Iterator[Crystal | LeftOut]:
    if isinstance(given, Crystal):
        yield given
    elif isinstance(given, str | Path):
        yield from Folder(str(given), "**/*", None, _CELL, "as stated with the files", "as stated with the files")
    elif isinstance(given, Structure) or _is_atoms(given):
        read = pymatgen_files.cell_of if isinstance(given, Structure) else ase_files.cell_of
        try:
            yield crystal_of(str(number), read(given), _CELL)
        except Unusable as error:
            yield LeftOut(str(number), str(error))
    else:
        raise UserError(
            f"structure {number} is {type(given).__name__}: a path, a Structure of pymatgen, Atoms of ASE or a Crystal "
            "is needed, e.g. predict('outputs/FOLDER', ['quartz.cif'])"
        )


def _is_atoms(given: Any) -> bool:
    """Return whether an object is ASE's `Atoms`, without importing ASE, which may be missing."""
    return any(f"{kind.__module__}.{kind.__qualname__}" == "ase.atoms.Atoms" for kind in type(given).__mro__)
