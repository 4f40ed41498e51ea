"""MTZ files, merged or not, by gemmi."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np

from phaselearn.errors import UserError
from phaselearn.files import told_of
from phaselearn.measured.readers.listing import MOST_REFLECTIONS, Listing, Stated, fault, stated_cell, too_many

_WORD = 4  # bytes
_HEADER_LINE = 80  # characters
_MOST_COLUMNS = 500
_HELPS = "give a list of reflections as MTZ, .hkl or CIF"
_SCALES = "e.g. `aimless HKLIN integrated.mtz HKLOUT scaled.mtz`, and give the scaled list"
_PHASE, _ANY_NUMBER = "P", "R"  # types of columns
_CALCULATED = re.compile(r"FC|IC$|PHI|2?M?FO-?D?FC|FWT|DELFWT|FOM|.*(CALC|MODEL)", re.IGNORECASE)


@dataclass(frozen=True)
class _Kind:
    """Measured columns of one type; labels that are known come before others."""

    type: str
    labels: tuple[str, ...]
    amplitudes: bool


# In the order of preference; types K and G are of Friedel mates, given apart.
_KINDS = (
    _Kind("J", ("I", "IMEAN", "IOBS", "I-OBS"), False),
    _Kind("K", ("I(+)",), False),
    _Kind("F", ("F", "FP", "FOBS", "F-OBS"), True),
    _Kind("G", ("F(+)",), True),
)


@dataclass(frozen=True)
class _Columns:
    """Labels of values and of their σ; two of each for Friedel mates."""

    values: tuple[str, ...]
    sigmas: tuple[str, ...]
    amplitudes: bool


def is_mtz(head: bytes) -> bool:
    """Return whether a file that begins so is an MTZ."""
    return head[:4] == b"MTZ "


def read_mtz(path: Path) -> Listing:
    """Return the reflections of an MTZ.

    Raises:
        UserError: it cannot be read, holds no measured column, or too many reflections.
    """
    _check_size(path)
    try:
        return _read(path)
    except (RuntimeError, ValueError, MemoryError, OSError) as error:
        raise fault(path, f"the MTZ cannot be read ({error})", _HELPS) from error


def _read(path: Path) -> Listing:
    mtz = gemmi.read_mtz_file(str(path))
    if mtz.batches:
        _check_whole(mtz, path)
        if not mtz.switch_to_original_hkl():
            raise fault(path, "an unmerged MTZ without the column M/ISYM", _HELPS)
    columns = _measured_columns(mtz, path)
    table = np.array(mtz.array, dtype=np.float64, copy=True)
    place = {column.label: number for number, column in enumerate(mtz.columns)}
    parts = []
    for mate, (value, sigma) in enumerate(zip(columns.values, columns.sigmas, strict=True)):
        sign = -1 if mate else 1
        sigmas = table[:, place[sigma]] if sigma else np.full(len(table), np.nan)
        parts.append((sign * table[:, :3], table[:, place[value]], sigmas))
    hkl, value_column, sigma_column = (np.concatenate(part) for part in zip(*parts, strict=True))
    missing = np.isnan(value_column)
    return Listing(
        hkl=hkl[~missing],
        value=value_column[~missing],
        sigma=sigma_column[~missing],
        amplitudes=columns.amplitudes,
        stated=_stated(mtz, path),
        kind=f"MTZ, {'unmerged, ' if mtz.batches else ''}{' and '.join(columns.values)}",
    )


def _check_whole(mtz: gemmi.Mtz, path: Path) -> None:
    """Refuse parts of reflections on several images, which are neither summed nor scaled: their mean means nothing."""
    column = mtz.column_with_label("M/ISYM")
    if column is None:
        return
    # M/ISYM is 256 M + ISYM, where M is 1 for a part of a reflection (CCP4, "MTZ format").
    parts = int(np.sum(np.array(column, dtype=np.float64).astype(np.int64) >> 8 > 0))
    if parts:
        raise fault(path, f"{parts:,} rows of the unmerged MTZ are parts of reflections; sum and scale them", _SCALES)


def _check_size(path: Path) -> None:
    """Check that a header promises no more than the file holds, before memory is taken for it."""
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            start = file.read(3 * _WORD)
            order = "<" if start[8:9] == b"\x44" or start[9:10] == b"\x41" else ">"
            first = struct.unpack(f"{order}i", start[4:8])[0] if len(start) == 3 * _WORD else 0
            if not 20 < first <= size // _WORD:
                raise fault(path, "the MTZ is cut off, or its header is damaged", _HELPS)
            file.seek((first - 1) * _WORD)
            header = file.read(1 << 20)
    except OSError as error:
        raise UserError(told_of(error)) from error
    for start_of_line in range(0, len(header) - _HEADER_LINE + 1, _HEADER_LINE):
        words = header[start_of_line : start_of_line + _HEADER_LINE].split()
        if len(words) >= 3 and words[0].upper() == b"NCOL":
            _check_extent(words[1:], first, path)


def _check_extent(words: Sequence[bytes], first: int, path: Path) -> None:
    try:
        columns, reflections = int(words[0]), int(words[1])
    except ValueError:
        raise fault(path, "the MTZ's header is damaged (NCOL)", _HELPS) from None
    if reflections > MOST_REFLECTIONS:
        raise too_many(path)
    if not (0 < columns <= _MOST_COLUMNS and reflections > 0) or columns * reflections > first:
        raise fault(path, f"the MTZ promises {reflections:,} rows of {columns:,} columns, which are not there", _HELPS)


def _measured_columns(mtz: gemmi.Mtz, path: Path) -> _Columns:
    """Return intensities before amplitudes, merged ones before Friedel mates, and of one type those with σ first."""
    labels = [column.label for column in mtz.columns]
    mates = {_mate(label) for label in labels if _mate(label) != label}
    for kind in _KINDS:
        found = [label for label in labels if label not in mates and _is_measured(mtz, label, kind)]
        if found:
            ranks = [*kind.labels, *(label.upper() for label in found)]
            value = min(found, key=lambda label: (not _sigma_of(mtz, label), ranks.index(label.upper())))
            values = (value, _mate(value)) if _mate(value) != value and _mate(value) in labels else (value,)
            return _Columns(values, tuple(_sigma_of(mtz, label) for label in values), kind.amplitudes)
    raise fault(path, f"no column of measured intensities or amplitudes among {' '.join(labels)[:200]}", _HELPS)


def _mate(label: str) -> str:
    """Return the label of the Friedel mate; a label that belongs to no pair is returned as it is."""
    return label.replace("+", "-").replace("plus", "minus")


def _is_measured(mtz: gemmi.Mtz, label: str, kind: _Kind) -> bool:
    """Return whether a column is of some kind, and not calculated.

    A calculated |F| or that of a map has no σ, and a phase behind it.
    """
    allowed = kind.type + (_ANY_NUMBER if label.upper() in kind.labels else "")
    if mtz.column_with_label(label).type not in allowed or _CALCULATED.match(label):
        return False
    if not kind.amplitudes or _sigma_of(mtz, label):
        return True
    following = _following(mtz, label)
    return following is None or following.type != _PHASE


def _sigma_of(mtz: gemmi.Mtz, label: str) -> str:
    """Return the label of the σ of a column: by name, else of the σ that follows it; empty if there is none."""
    labels = [column.label for column in mtz.columns]
    for name in (f"SIG{label}", f"SIG_{label}", f"{label}_sigma"):
        if name in labels:
            return name
    following = _following(mtz, label)
    return following.label if following is not None and following.type in "QLM" else ""


def _following(mtz: gemmi.Mtz, label: str) -> gemmi.Mtz.Column | None:
    place = [column.label for column in mtz.columns].index(label) + 1
    return mtz.columns[place] if place < len(mtz.columns) else None


def _stated(mtz: gemmi.Mtz, path: Path) -> Stated:
    wavelengths = [dataset.wavelength for dataset in mtz.datasets if dataset.wavelength > 0]
    operations = mtz.spacegroup.operations() if mtz.spacegroup is not None else ()
    cell = stated_cell(tuple(mtz.cell.parameters), str(path))
    return Stated(
        cell=cell.cell,
        cell_fault=cell.cell_fault,
        wavelength=wavelengths[-1] if wavelengths else None,
        operations=tuple(operation.triplet() for operation in operations),
    )
