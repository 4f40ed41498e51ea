"""Crystals from a folder of anything that pymatgen reads: CIF, POSCAR, cssr, xsf, pymatgen's JSON."""

from __future__ import annotations

import gzip
import hashlib
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from copy import copy
from pathlib import Path

import numpy as np
from pymatgen.core import Composition, DummySpecies, Element, Structure
from pymatgen.io.cif import CifParser

from phaselearn.data.sources.symmetry import CELLS, choose_cell, structure_type, wrap
from phaselearn.data.structures import Crystal, LeftOut, Source
from phaselearn.errors import UserError

_MOST_OCCUPANCY = 1.001  # of a site; above 1 by rounding alone


class Cif(Source):
    """The structures of a folder, or of one file, in the order of their paths; each block of a CIF is an entry.

    Args:
        path: a folder, searched with its folders, or a file.
        pattern: which files of the folder, e.g. `**/*.cif`.
        count: at most so many files; null for all.
        cell: `primitive` (Niggli-reduced), `conventional` or `as_given`.
        licence: of the structures.
        attribution: whom to cite for them.

    Raises:
        UserError: no such path, no file in it, a count below 1, a pattern that is none, or an unknown cell.
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
                f"source.path={path} is not there: a folder of CIF, POSCAR or other structure files is needed, "
                "e.g. `phaselearn prepare source=cif source.path=FOLDER`"
            )
        if count is not None and count < 1:
            raise UserError(f"source.count={count}: at least 1 is needed, or null for all, e.g. source.count=100")
        try:
            found = [self.path] if self.path.is_file() else sorted(self.path.glob(pattern))
        except (ValueError, NotImplementedError) as error:
            raise UserError(
                f"source.pattern={pattern} is no pattern within a folder: e.g. source.pattern='**/*.cif'"
            ) from error
        self.files = [file for file in found if file.is_file() and not file.name.startswith(".")][:count]
        if not self.files:
            raise UserError(
                f"source.path={path} has no file that fits source.pattern={pattern}: give a folder of structure "
                "files, e.g. `phaselearn prepare source=cif source.path=FOLDER source.pattern='**/*.cif'`"
            )
        self.cell = cell
        self.licence = licence
        self.attribution = attribution

    def __len__(self) -> int:
        return len(self.files)

    def fingerprint(self) -> str:
        """Return a digest of the files' names and bytes, and of the cell."""
        digest = hashlib.sha256(f"{self.name}:{self.rules}:{self.cell}".encode())
        for file in self.files:
            digest.update(self._name(file).encode())
            digest.update(file.read_bytes())
        return digest.hexdigest()

    def __iter__(self) -> Iterator[Crystal | LeftOut]:
        for file in self.files:
            yield from self._read(file)

    def raw_entries(self) -> Iterator[Path]:
        """Yield the files."""
        yield from self.files

    def reader(self) -> Callable[[Path], Iterator[Crystal | LeftOut]]:
        """Return what reads a file."""
        alone = copy(self)
        alone.files = []  # not sent along, there may be very many
        return alone._read

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
            yield LeftOut(name, _why(error))
            return
        if not structures:
            yield LeftOut(name, "no structure in the file")
        for number, structure in enumerate(structures):
            entry = f"{name}#{number}" if len(structures) > 1 else name
            if isinstance(structure, Exception):
                yield LeftOut(entry, _why(structure))
            else:
                yield self._crystal(entry, structure)

    def _crystal(self, name: str, structure: Structure) -> Crystal | LeftOut:
        if not structure.is_ordered:
            return LeftOut(name, "disordered")
        if len(structure) == 0:
            return LeftOut(name, "no atoms")
        if "implicit_hydrogens" in structure.site_properties:
            return LeftOut(name, "hydrogen atoms without positions")
        if any(isinstance(site.specie, DummySpecies) for site in structure):
            return LeftOut(name, "unknown element")
        numbers = np.array([site.specie.Z for site in structure], dtype=np.int64)
        given = (structure.lattice.matrix, structure.frac_coords, numbers)
        try:
            lattice, positions, numbers = choose_cell(given, self.cell)
            prototype, space_group = structure_type((lattice, positions, numbers))
        except Exception:  # spglib raises its own errors where atoms overlap or the cell is degenerate
            return LeftOut(name, "no symmetry found")
        return Crystal(
            id=name,
            formula=Composition(Counter(Element.from_Z(int(number)).symbol for number in numbers)).reduced_formula,
            lattice=np.array(lattice, dtype=np.float64),
            numbers=np.array(numbers, dtype=np.int64),
            positions=wrap(np.array(positions, dtype=np.float64)),
            prototype=prototype,
            space_group=space_group,
        )


def _structures(file: Path) -> list[Structure | Exception]:
    """Return the structures of a file; in place of a block of a CIF that cannot be read, why."""
    kind = file.with_suffix("") if file.suffix == ".gz" else file
    if kind.suffix.lower() not in (".cif", ".mcif"):
        return [Structure.from_file(file)]
    content = file.read_bytes()
    text = (gzip.decompress(content) if file.suffix == ".gz" else content).decode("utf-8-sig", errors="replace")
    # One by one: pymatgen gives up a whole file for one bad block, and for a heading block without atoms.
    blocks = re.split(r"^\s*(?=data_)", text, flags=re.MULTILINE | re.IGNORECASE)
    return [_block(block) for block in blocks if re.search(r"^\s*_atom_site_fract_x", block, re.MULTILINE | re.I)]


def _block(text: str) -> Structure | Exception:
    try:
        parser = CifParser.from_str(text, occupancy_tolerance=_MOST_OCCUPANCY)
        return parser.parse_structures(primitive=False, on_error="raise")[0]
    except Exception as error:
        return error


def _why(error: Exception) -> str:
    if "exceeded tolerance" in str(error):
        return "occupancies above 1"
    return f"unreadable ({type(error).__name__})"
