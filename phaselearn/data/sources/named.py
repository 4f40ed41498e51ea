"""Single structures by name: files of the user's, and those that come with the project."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from phaselearn.data.screening import screen
from phaselearn.data.sources.folder import Folder
from phaselearn.data.structures import Crystal, LeftOut, Source
from phaselearn.errors import UserError

_SHIPPED = Path(str(files("phaselearn.data.sources.shipped")))


def shipped_names() -> list[str]:
    """Return the names of the structures that come with the project."""
    return sorted(path.stem for path in _SHIPPED.glob("*.cif"))


class Named(Source):
    """The crystals of some structure files, all of which must be usable.

    Args:
        names: paths of structure files, or names from `shipped_names`.
        cell: the cell that each crystal gets: `primitive`, `conventional` or `as_given`.
        longest_edge: longest cell edge that is allowed, in Å.

    Raises:
        UserError: a name is neither, or a structure cannot be used; the error gives the reason.
    """

    name = "named"
    licence = "as stated with the files"
    attribution = "as stated with the files"

    def __init__(self, names: Sequence[str], cell: str, longest_edge: float) -> None:
        sources = [Folder(str(_file(name)), "**/*", None, cell, self.licence, self.attribution) for name in names]
        self._fingerprint = hashlib.sha256("".join(source.fingerprint() for source in sources).encode()).hexdigest()
        entries = [(name, entry) for name, source in zip(names, sources, strict=True) for entry in source]
        self.crystals = [_usable(name, entry, longest_edge) for name, entry in entries]

    def fingerprint(self) -> str:
        """Return a digest of the files' names and bytes, and of the cell."""
        return self._fingerprint

    def __len__(self) -> int:
        return len(self.crystals)

    def __iter__(self) -> Iterator[Crystal]:
        yield from self.crystals


def _file(name: str) -> Path:
    if name in shipped_names():
        return _SHIPPED / f"{name}.cif"
    if Path(name).is_file():
        return Path(name)
    known = shipped_names()
    raise UserError(
        f"evaluation.also_shown: there is no file {name}; allowed are structure files and the names of those that come "
        f"with the project, {', '.join(known)}: for example evaluation.also_shown=[{known[0]}]"
    )


def _usable(name: str, entry: Crystal | LeftOut, longest_edge: float) -> Crystal:
    if isinstance(entry, Crystal):
        [reason] = screen([entry], longest_edge)
        if reason is None:
            return entry
    else:
        reason = entry.reason
    raise UserError(
        f"evaluation.also_shown: {name} cannot be used ({reason}): give an ordered structure that "
        "`phaselearn prepare source=folder source.path=FILE` reads"
    )
