"""Known crystals: reduced cells with their atoms, as one file that holds numbers and names only."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phaselearn.errors import UserError
from phaselearn.files import fault_behind, write_whole

PACKAGE = Path(__file__).parents[2] / "weights" / "known_crystals.npz"
_FINENESS = 1 << 16  # steps of a fractional coordinate in the file: 2e-4 Å along an edge of 10 Å
_FORMAT = 1
_LARGEST_FILE = 1 << 27  # bytes, unpacked; the crystals of the package take 6 MB
_SHORTEST_EDGE, _LONGEST_EDGE = 0.5, 1000.0  # Å
# The arrays of the file, and what their numbers are: whole numbers (u), others (f).
_KINDS = {"format": "u", "lattice": "f", **dict.fromkeys(("count", "numbers", "positions", "kind"), "u")}
_KINDS |= dict.fromkeys(("kinds", "names", "origin"), "u")  # text in UTF-8
_HELP = "collect some from crystals of yours with `phaselearn known source=folder source.path=FOLDER`"


@dataclass(frozen=True)
class KnownCrystals:
    """N known crystals in Niggli-reduced primitive cells.

    Attributes:
        lattice: (N, 3, 3), rows in Å.
        count: (N,) numbers of atoms.
        numbers: (A,) atomic numbers of all crystals, one crystal after the other.
        positions: (A, 3) fractional, in the same order.
        kind: (N,) places in `kinds`.
        kinds: the structure types.
        names: (N,) ids of the crystals.
        origin: licence and attribution of the crystals.
    """

    lattice: NDArray[np.float64]
    count: NDArray[np.int64]
    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]
    kind: NDArray[np.int64]
    kinds: Sequence[str]
    names: Sequence[str]
    origin: str

    def __len__(self) -> int:
        return len(self.lattice)

    def atoms(self, row: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the atomic numbers (n,) and the positions (n, 3) of one crystal."""
        own = slice(self._ends[row] - self.count[row], self._ends[row])
        return self.numbers[own], self.positions[own]

    def padded(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the atomic numbers (R, n) and positions (R, n, 3) of several crystals; the number 0 is padding."""
        count = self.count[rows, None]
        atom = np.arange(count.max(initial=0))
        place = np.minimum(self._ends[rows, None] - count + atom, len(self.numbers) - 1)
        return self.numbers[place] * (atom < count), self.positions[place]

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return self.count.cumsum()

    def write(self, path: Path) -> None:
        """Write the crystals to a file; coordinates are rounded to 1/65,536 of an edge."""
        content = io.BytesIO()
        np.savez_compressed(
            content,
            format=np.array(_FORMAT, np.uint8),
            lattice=self.lattice.astype(np.float32),
            count=self.count.astype(np.uint16),
            numbers=self.numbers.astype(np.uint8),
            positions=(np.rint(self.positions * _FINENESS) % _FINENESS).astype(np.uint16),
            kind=self.kind.astype(np.uint32),
            kinds=np.frombuffer("\n".join(self.kinds).encode(), np.uint8),
            names=np.frombuffer("\n".join(self.names).encode(), np.uint8),
            origin=np.frombuffer(self.origin.encode(), np.uint8),
        )
        write_whole(path, content.getvalue())

    @classmethod
    def read(cls, path: Path) -> KnownCrystals:
        """Read the crystals of a file.

        Raises:
            UserError: there is no such file, or it is not one of known crystals.
        """
        if not path.is_file():
            raise UserError(f"starts.known={path}: there is no such file, {_HELP}")
        try:
            with zipfile.ZipFile(path) as archive:
                size = sum(entry.file_size for entry in archive.infolist())
            if size > _LARGEST_FILE:
                raise ValueError(f"{size:,} bytes unpacked")
            with np.load(path, allow_pickle=False) as file:
                stored = {name: file[name] for name in _KINDS}
            for name, values in stored.items():
                if values.dtype.kind != _KINDS[name]:
                    raise ValueError(f"{name} of type {values.dtype}")
            _check_sizes(stored)
            found = cls(
                stored["lattice"].astype(np.float64),
                stored["count"].astype(np.int64),
                stored["numbers"].astype(np.int64),
                stored["positions"] / _FINENESS,
                stored["kind"].astype(np.int64),
                stored["kinds"].tobytes().decode().split("\n"),
                stored["names"].tobytes().decode().split("\n"),
                stored["origin"].tobytes().decode(),
            )
            if stored["format"] != _FORMAT or not found._fits():
                raise ValueError("numbers that are not those of crystals")
        except Exception as error:  # a stranger's file may make the readers raise anything
            # Memory is missing where an array claims more than the file holds.
            fault = None if isinstance(error, MemoryError) else fault_behind(error, path)
            if fault is not None:
                raise fault from error
            raise UserError(
                f"starts.known={path}: this is not a file of known crystals ({' '.join(str(error).split())[:100]}), "
                f"{_HELP}"
            ) from error
        return found

    def _fits(self) -> bool:
        """Return whether the arrays hold cells and elements that there are."""
        return bool(
            len(self.lattice)
            and 0 <= self.kind.min() <= self.kind.max() < len(self.kinds)
            and self.count.min() > 0
            and self.numbers.min() > 0
            and self.numbers.max() < 119
            and np.isfinite(self.lattice).all()
            and np.abs(self.lattice).max() < _LONGEST_EDGE
            and np.linalg.det(self.lattice).min() > _SHORTEST_EDGE**3
        )


@cache
def known_crystals_of_the_package() -> KnownCrystals:
    """Return the crystals of the training split that come with the package."""
    return KnownCrystals.read(PACKAGE)


def _check_sizes(stored: dict[str, NDArray[np.generic]]) -> None:
    """See that the arrays of a file belong together, before they become larger.

    Raises:
        ValueError: they do not.
    """
    crystals, atoms = len(stored["lattice"]), int(stored["count"].sum())
    shapes = {"lattice": (crystals, 3, 3), "count": (crystals,), "kind": (crystals,)}
    shapes |= {"numbers": (atoms,), "positions": (atoms, 3)}
    newline = ord("\n")
    names, kinds = (int((stored[name] == newline).sum()) + 1 for name in ("names", "kinds"))
    if any(stored[name].shape != shape for name, shape in shapes.items()) or names != crystals or kinds > crystals:
        raise ValueError("arrays that do not belong together")
