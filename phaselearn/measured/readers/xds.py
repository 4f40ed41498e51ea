"""XDS_ASCII.HKL of XDS and XSCALE, merged or not: columns as the header names them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.readers.listing import Listing, Stated, fault, gathered, quoted, stated_cell
from phaselearn.measured.readers.text import TextSource

_HELPS = "a file as XDS or XSCALE write it is needed"
_LONGEST = 400  # characters of a line of the header
_NAMES = ("H", "K", "L", "IOBS", "SIGMA(IOBS)")
_KEYWORD = re.compile(r"!?\s*([A-Z][A-Z_0-9'()/-]*)\s*=\s*([^=]*?)(?=\s+[A-Z][A-Z_0-9'()/-]*\s*=|$)")


def is_xds(head: bytes) -> bool:
    """Return whether a file that begins so is one."""
    return re.match(rb"\s*!\s*FORMAT\s*=\s*XDS_ASCII", head, re.IGNORECASE) is not None


def read_xds(source: TextSource) -> Listing:
    """Return the reflections; those with a negative σ, which XDS rejected, are left out.

    Raises:
        UserError: the header or a line cannot be read, or there are too many.
    """
    header: dict[str, str] = {}

    def pieces() -> Iterator[NDArray[np.float64]]:
        columns: list[int] = []
        ended = False
        for first, lines in source.lines():
            rows = []
            for number, line in enumerate([] if ended else lines, first):
                if line.lstrip().startswith(b"!"):
                    text = line[:_LONGEST].decode("latin-1").strip().upper()
                    header.update((key, value.strip()) for key, value in _KEYWORD.findall(text))
                    ended = ended or text.startswith("!END_OF_DATA")
                elif line.strip() and not ended:
                    columns = columns or _columns(header, source.path)
                    rows.append((number, line))
            if rows:
                yield _numbers(rows, columns, source.path)

    table = gathered(pieces(), source.path, _HELPS)
    merged = header.get("MERGE", "FALSE").startswith("T")
    listing = Listing(
        hkl=table[:, :3],
        value=table[:, 3],
        sigma=table[:, 4],
        stated=_stated(header, source.path),
        kind=f"XDS_ASCII, {'merged' if merged else 'unmerged'}",
    )
    return listing.kept(~(listing.sigma < 0), "XDS rejected them (σ < 0)")


def _columns(header: Mapping[str, str], path: Path) -> list[int]:
    """Return the places of h, k, l, intensity and σ."""
    places = []
    for number, name in enumerate(_NAMES, 1):
        text = header.get(f"ITEM_{name}", str(number))
        if not re.fullmatch(r"[1-9]\d?", text):
            raise fault(path, f"ITEM_{name}={text[:20]} is not a column", _HELPS)
        places.append(int(text) - 1)
    return places


def _numbers(rows: list[tuple[int, bytes]], columns: list[int], path: Path) -> NDArray[np.float64]:
    try:
        words = [line.split() for _, line in rows]
        return np.array([[row[place] for place in columns] for row in words]).astype(np.float64)
    except (ValueError, IndexError):
        for number, line in rows:
            try:
                [float(line.split()[place]) for place in columns]
            except (ValueError, IndexError):
                raise fault(path, f"{quoted(line)} is not a reflection", _HELPS, number) from None
        raise


def _stated(header: Mapping[str, str], path: Path) -> Stated:
    written = header.get("UNIT_CELL_CONSTANTS")
    cell = Stated()
    if written is not None:
        try:
            cell = stated_cell(tuple(float(word) for word in written.split()), str(path))
        except ValueError:
            cell = Stated(cell_fault=str(fault(path, f"UNIT_CELL_CONSTANTS={quoted(written)} is not a cell", _HELPS)))
    found = re.match(r"[\d.]+", header.get("X-RAY_WAVELENGTH", ""))
    number = header.get("SPACE_GROUP_NUMBER", "")
    group = gemmi.find_spacegroup_by_number(int(number)) if re.fullmatch(r"\d{1,3}", number) else None
    return Stated(
        cell=cell.cell,
        cell_fault=cell.cell_fault,
        wavelength=float(found[0]) if found and found[0].count(".") < 2 and float(found[0]) > 0 else None,
        operations=tuple(operation.triplet() for operation in group.operations()) if group is not None else (),
    )
