"""Rows and statements that a reader takes from a file, before they are checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phaselearn.errors import UserError
from phaselearn.measured.cells import Cell, checked_cell
from phaselearn.quoting import one_line

LARGEST_INDEX = 2000
MOST_REFLECTIONS = 5_000_000  # of a file; a hundred times what a small crystal has
_LONGEST_QUOTE = 60  # characters of a line that an error repeats


@dataclass(frozen=True, kw_only=True)
class Stated:
    """Statements on the crystal and its measurement; what is not stated is None or empty.

    Attributes:
        cell: a, b, c in Å, α, β, γ in degrees.
        cell_fault: the error of a stated cell that is none. It counts only if no cell is given from outside.
        wavelength: wavelength in Å.
        probe: one of "xray", "electron", "neutron".
        contents: {element: number of atoms in the cell}, 0 where only the element is stated.
        operations: triplets of the space group, centring included.
    """

    cell: Cell | None = None
    cell_fault: str = ""
    wavelength: float | None = None
    probe: str | None = None
    contents: Mapping[str, float] = field(default_factory=dict)
    operations: tuple[str, ...] = ()

    def or_else(self, other: Stated) -> Stated:
        """Return the same, with what is not stated taken from other statements.

        A cell with a fault stays one: another cell in the same files may be that of another crystal.
        """
        own_cell = self.cell is not None or self.cell_fault
        return Stated(
            cell=self.cell if own_cell else other.cell,
            cell_fault=self.cell_fault if own_cell else other.cell_fault,
            wavelength=self.wavelength or other.wavelength,
            probe=self.probe or other.probe,
            contents=self.contents or other.contents,
            operations=self.operations or other.operations,
        )


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The rows of a file, in its order; what is not a number is NaN.

    Attributes:
        hkl: indices (M, 3); whole numbers, unless a matrix made others of them.
        value: intensities (M,), or amplitudes.
        sigma: standard uncertainties (M,) of the values, as they are stated.
        amplitudes: the values are |F|.
        stated: statements of the file.
        kind: the format and the columns that were read, for people.
        warnings: sentences about what was left out or assumed.
    """

    hkl: NDArray[np.float64]
    value: NDArray[np.float64]
    sigma: NDArray[np.float64]
    amplitudes: bool = False
    stated: Stated = field(default_factory=Stated)
    kind: str
    warnings: tuple[str, ...] = ()

    def kept(self, mask: NDArray[np.bool_], left_out: str) -> Listing:
        """Return some of the rows (M,); a warning says how many were left out, and the text why."""
        count = int((~mask).sum())
        if not count:
            return self
        warning = f"{count:,} of {len(mask):,} rows were left out: {left_out}"
        return replace(
            self,
            hkl=self.hkl[mask],
            value=self.value[mask],
            sigma=self.sigma[mask],
            warnings=(*self.warnings, warning),
        )


def stated_cell(numbers: tuple[float, ...], where: str) -> Stated:
    """Return the statement of a cell, or of its fault.

    Args:
        numbers: a, b, c in Å, α, β, γ in degrees.
        where: file and line.
    """
    try:
        return Stated(cell=checked_cell(numbers, where))
    except UserError as error:
        return Stated(cell_fault=str(error))


def fault(path: Path, what: str, helps: str, line: int | None = None) -> UserError:
    """Return the error of a file: where, what, and what helps."""
    where = f"{path}, line {line}" if line else str(path)
    return UserError(one_line(f"{where}: {what}; {helps}"))


def quoted(text: bytes | str) -> str:
    """Return the beginning of a line for an error."""
    shown = text.decode("latin-1") if isinstance(text, bytes) else text
    shown = one_line(shown)
    return f"‘{shown[:_LONGEST_QUOTE]}{'…' if len(shown) > _LONGEST_QUOTE else ''}’"


def gathered(pieces: Iterable[NDArray[np.float64]], path: Path, helps: str) -> NDArray[np.float64]:
    """Return the rows of all pieces of a file, one after another.

    Raises:
        UserError: there is no row, or there are too many.
    """
    parts: list[NDArray[np.float64]] = []
    total = 0
    for piece in pieces:
        parts.append(piece)
        total += len(piece)
        if total > MOST_REFLECTIONS:
            raise too_many(path)
    if not parts:
        raise fault(path, "no reflection", helps)
    return np.concatenate(parts)


def too_many(path: Path) -> UserError:
    """Return the error of a file with more reflections than are taken."""
    return fault(path, f"more than {MOST_REFLECTIONS:,} reflections", "merge equivalents in the program that wrote it")
