"""Crystals from a folder of anything that pymatgen reads: CIF, POSCAR, cssr, xsf, pymatgen's JSON."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pymatgen.core import Structure
from pymatgen.io.cif import CifParser

from phaselearn.data.sources.symmetry import CELLS, choose_cell, structure_type, wrap
from phaselearn.data.structures import Crystal, LeftOut, Source
from phaselearn.errors import UserError


class Cif(Source):
    """The structures of a folder, or of one file, in the order of their paths; every block of a CIF is an entry.

    Args:
        path: a folder, searched with its folders, or a file.
        pattern: which files of the folder, e.g. `**/*.cif`.
        count: at most so many files; null for all.
        cell: `primitive` (Niggli-reduced), `conventional` or `as_given`.
        licence: of the structures.
        attribution: whom to cite for them.

    Raises:
        UserError: no such path, no file in it, or an unknown cell.
    """

    name = "cif"

    def __init__(self, path: str, pattern: str, count: int | None, cell: str, licence: str, attribution: str) -> None:
        if cell not in CELLS:
            raise UserError(
                f"source.cell={cell} is unknown: allowed are {', '.join(CELLS)}, e.g. source.cell=primitive"
            )
        self.path = Path(path)
        if not self.path.exists():
            raise UserError(
                f"source.path={path} is not there: a folder of CIF, POSCAR or other structure files is needed, e.g. "
                "`phaselearn prepare source=cif source.path=FOLDER`"
            )
        found = [self.path] if self.path.is_file() else sorted(self.path.glob(pattern))
        self.files = [file for file in found if file.is_file() and not file.name.startswith(".")][:count]
        if not self.files:
            raise UserError(
                f"source.path={path} has no file that fits source.pattern={pattern}: give a folder of structure files, "
                "e.g. `phaselearn prepare source=cif source.path=FOLDER source.pattern='**/*.cif'`"
            )
        self.cell = cell
        self.licence = licence
        self.attribution = attribution

    def __len__(self) -> int:
        return len(self.files)

    def fingerprint(self) -> str:
        """Return a digest of the files' names and bytes, and of the cell."""
        digest = hashlib.sha256(f"{self.name}:{self.cell}".encode())
        for file in self.files:
            digest.update(self._name(file).encode())
            digest.update(file.read_bytes())
        return digest.hexdigest()

    def __iter__(self) -> Iterator[Crystal | LeftOut]:
        for file in self.files:
            yield from self._read(file)

    def _name(self, file: Path) -> str:
        return str(file.relative_to(self.path)) if self.path.is_dir() else file.name

    def _read(self, file: Path) -> Iterator[Crystal | LeftOut]:
        name = self._name(file)
        try:
            with warnings.catch_warnings():
                # What pymatgen warns of is either mended by it or raised.
                warnings.simplefilter("ignore")
                structures = _structures(file)
        except Exception as error:  # any reader, any file: one bad file never stops a build
            yield LeftOut(name, f"unreadable ({type(error).__name__})")
            return
        if not structures:
            yield LeftOut(name, "no structure in the file")
        for number, structure in enumerate(structures):
            yield self._crystal(f"{name}#{number}" if len(structures) > 1 else name, structure)

    def _crystal(self, name: str, structure: Structure) -> Crystal | LeftOut:
        if not structure.is_ordered:
            return LeftOut(name, "disordered")
        if len(structure) == 0:
            return LeftOut(name, "no atoms")
        try:
            numbers = np.array([site.specie.Z for site in structure], dtype=np.int64)
        except AttributeError:
            return LeftOut(name, "unknown element")
        given = (structure.lattice.matrix, structure.frac_coords, numbers)
        try:
            lattice, positions, numbers = choose_cell(given, self.cell)
            prototype, space_group = structure_type((lattice, positions, numbers))
        except Exception:  # spglib raises its own errors where atoms overlap or the cell is degenerate
            return LeftOut(name, "no symmetry found")
        return Crystal(
            id=name,
            formula=structure.composition.element_composition.reduced_formula,
            lattice=np.array(lattice, dtype=np.float64),
            numbers=np.array(numbers, dtype=np.int64),
            positions=wrap(np.array(positions, dtype=np.float64)),
            prototype=prototype,
            space_group=space_group,
        )


def _structures(file: Path) -> list[Structure]:
    if file.suffix.lower() in (".cif", ".mcif"):
        # Disordered sites are kept as they are, to be left out by name; pymatgen would refuse some of them.
        return CifParser(file, occupancy_tolerance=1e6).parse_structures(primitive=False, on_error="raise")
    return [Structure.from_file(file)]
