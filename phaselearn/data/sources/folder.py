"""Crystals from a folder of structure files, or from one file: CIF, POSCAR, pymatgen's JSON, ASE's formats, …."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from itertools import chain, islice
from pathlib import Path

from phaselearn.data.sources.own_files import is_own
from phaselearn.data.sources.readers.ase_files import require_ase
from phaselearn.data.sources.readers.formats import format_of, holds_many, read_structures, refuse_reflections
from phaselearn.data.sources.structure_type import CELLS, Cell, crystal_of
from phaselearn.data.structures import Crystal, LeftOut, Source, Unusable, storable, unreadable, without_repeats
from phaselearn.errors import UserError, check_whole, choose
from phaselearn.running import same_command

# A file with one entry; or the id of an entry, with its cell or the reason to leave it out.
_Raw = Path | tuple[str, Cell | Unusable]


class Folder(Source):
    """The structures of a folder, or of one file, in the order of their paths and of their places in the files.

    The id of a crystal is the path of its file. If the file holds several crystals, `#` and a label follow: the number
    of a CIF's block or of a frame, the row of a database, or the keys that lead to the structure in JSON.

    Args:
        path: a folder, which is searched with its folders, or a file. Names that begin with a dot are passed over, and
            so are stores, run folders, locks and logs.
        pattern: pattern of the files in the folder, e.g. `**/*.cif`.
        count: largest number of entries; the first ones are taken. None for all.
        cell: the cell that each crystal gets: `primitive` (Niggli-reduced), `conventional` or `as_given`.
        licence: licence of the structures.
        attribution: whom to cite for the structures.

    Raises:
        UserError: the path is not there, holds no such file or holds reflections, the count is below 1, the pattern is
            invalid, the cell is unknown, or ASE is missing and there are files for it.
    """

    name = "folder"
    rules = 3

    def __init__(self, path: str, pattern: str, count: int | None, cell: str, licence: str, attribution: str) -> None:
        choose("source.cell", cell, CELLS)
        self.path = Path(path)
        if not path or not self.path.exists():  # an empty path is the current folder to the system
            raise UserError(
                f"source.path={path} is not there: a structure file or a folder of CIF, POSCAR or other such files is "
                f"needed, e.g. `{same_command('source=folder', 'source.path=FOLDER')}`"
            )
        if self.path.is_file():
            refuse_reflections(self.path)
        if count is not None:
            check_whole("source.count", count, least=1, example=100)
        try:
            found = [self.path] if self.path.is_file() else sorted(self.path.glob(pattern))
        except (ValueError, IndexError, NotImplementedError) as error:
            raise UserError(
                f"source.pattern={pattern} is not a pattern within a folder: e.g. source.pattern='**/*.cif'"
            ) from error
        # Every file holds at least one entry, so no more than `count` files are needed.
        self.files = [file for file in found if file.is_file() and not self._is_passed_over(file)][:count]
        if not self.files:
            helps = same_command("source=folder", "source.path=FOLDER", "source.pattern=**/*.cif")
            raise UserError(
                f"source.path={path} has no file that fits source.pattern={pattern}: give a folder of structure "
                f"files, e.g. `{helps}`"
            )
        if any(format_of(file).of_ase for file in self.files):
            require_ase()
        self.count = count
        self.cell = cell
        self.licence = licence
        self.attribution = attribution

    def __len__(self) -> int:
        return 0 if any(format_of(file).many for file in self.files) else len(self.files)

    def fingerprint(self) -> str:
        """Return a digest of the files' names and bytes, of the count, and of the cell."""
        digest = hashlib.sha256(f"{self.name}:{self.rules}:{self.count}:{self.cell}".encode())
        for path in self.files:
            digest.update(self._name(path).encode())
            with open(path, "rb") as file:
                for block in iter(lambda: file.read(1 << 20), b""):
                    digest.update(block)
        return digest.hexdigest()

    def __iter__(self) -> Iterator[Crystal | LeftOut]:
        return without_repeats(entry for raw in self.raw_entries() for entry in self._read(raw))

    def raw_entries(self) -> Iterator[_Raw]:
        """Yield files that hold one entry, and the entries of other files, so that a large file makes many blocks."""
        return islice((raw for file in self.files for raw in self._raw(file)), self.count)

    def reader(self) -> Callable[[_Raw], Iterable[Crystal | LeftOut]]:
        """Return a function that makes crystals, with their symmetry, of a file or of an entry."""
        alone = copy(self)
        alone.files = []  # not sent to other processes, since there may be very many
        return alone._read

    def _name(self, file: Path) -> str:
        return storable(str(self._below(file)))

    def _below(self, file: Path) -> Path:
        return file.relative_to(self.path) if self.path.is_dir() else Path(file.name)

    def _is_passed_over(self, file: Path) -> bool:
        is_hidden = any(part.startswith(".") for part in self._below(file).parts)
        return is_hidden or (self.path.is_dir() and is_own(file, self.path))

    def _raw(self, file: Path) -> Iterator[_Raw]:
        if holds_many(file):
            yield from self._named(file)
        else:
            yield file

    def _read(self, raw: _Raw) -> Iterator[Crystal | LeftOut]:
        for name, found in self._named(raw) if isinstance(raw, Path) else (raw,):
            yield self._entry(name, found)

    def _named(self, file: Path) -> Iterator[tuple[str, Cell | Unusable]]:
        """Yield the entries of a file, each with its id."""
        name = self._name(file)
        entries = _entries(file)
        first, second = next(entries, None), next(entries, None)
        if first is None:
            yield name, Unusable("no structure in the file")
        elif second is None:
            yield name, first[1]
        else:
            for label, found in chain((first, second), entries):
                yield storable(f"{name}#{label}"), found

    def _entry(self, name: str, found: Cell | Unusable) -> Crystal | LeftOut:
        try:
            if isinstance(found, Unusable):
                raise found
            return crystal_of(name, found, self.cell)
        except Unusable as error:
            return LeftOut(name, str(error))


def _entries(file: Path) -> Iterator[tuple[str, Cell | Unusable]]:
    """Yield the entries of a file and, if reading it fails, the reason: one bad file never stops a build."""
    try:
        yield from read_structures(file)
    except UserError:
        raise
    except Unusable as error:
        yield "rest", error
    except Exception as error:
        yield "rest", unreadable(error, file)
