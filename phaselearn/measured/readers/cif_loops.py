"""Loops of measured reflections in a CIF: `_refln` and `_diffrn_refln`, of core CIF, of SHELXL's .fcf, and of mmCIF.

Values and σ are looked up by name, since gemmi's own import of reflections misses |F|² of the Open Database and SHELXL.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from gemmi import cif
from numpy.typing import NDArray

from phaselearn.measured.readers.cif_statements import number
from phaselearn.measured.readers.listing import MOST_REFLECTIONS, Listing, Stated, fault, quoted, too_many


@dataclass(frozen=True)
class _Quantity:
    """A measured column, or two of the Friedel mates.

    Attributes:
        values: its name; h, k, l of a second one are those of the mate.
        sigmas: the names that the σ of each may have.
        amplitudes: the values are |F|.
    """

    values: tuple[str, ...]
    sigmas: tuple[tuple[str, ...], ...]
    amplitudes: bool = False


def _one(value: str, *sigmas: str, amplitudes: bool = False) -> _Quantity:
    return _Quantity((value,), (sigmas,), amplitudes)


def _mates(plus: str, minus: str, amplitudes: bool = False) -> _Quantity:
    return _Quantity((plus, minus), ((f"{plus}_sigma",), (f"{minus}_sigma",)), amplitudes)


# Of several measured columns, the first with σ is read: intensities before amplitudes.
_REDUCED = (
    _one("F_squared_meas", "F_squared_sigma", "F_squared_meas_su", "F_squared_su", "F_squared_meas_sigma"),
    _one("intensity_meas", "intensity_sigma", "intensity_meas_su", "intensity_su", "intensity_u"),
    _one("intensity_net", "intensity_sigma", "intensity_net_su", "intensity_u", "intensity_su"),
    _one("pdbx_I_meas", "pdbx_I_meas_sigma", "pdbx_I_sigma"),
    _mates("pdbx_I_plus", "pdbx_I_minus"),
    _one("F_meas", "F_sigma", "F_meas_sigma", "F_meas_su", "F_su", amplitudes=True),
    _one("F_meas_au", "F_meas_sigma_au", "F_meas_au_su", amplitudes=True),
    _mates("pdbx_F_plus", "pdbx_F_minus", amplitudes=True),
)
_RAW = (_one("counts_net", "counts_net_su"),)
_PREFIXES = ("_diffrn_refln", "_refln")  # the first is not merged


@dataclass(frozen=True)
class _Table:
    """A loop: the beginning of its names, its columns {name in lower case: texts}, and the number of its rows."""

    prefix: str
    columns: Mapping[str, Sequence[str]]
    rows: int

    def column(self, name: str) -> Sequence[str] | None:
        return self.columns.get(f"{self.prefix}{name}".lower())

    def matching(self, pattern: str) -> list[Sequence[str]]:
        """Return the columns whose names end in a pattern."""
        return [texts for name, texts in self.columns.items() if re.search(f"{pattern}$", name)]


def read_loops(block: cif.Block, path: Path) -> Listing | None:
    """Return the reflections in loops of a block; None if none is measured.

    Raises:
        UserError: there are too many, or those of several powder phases.
    """
    tables = list(_tables(block, path))
    for quantities in (_REDUCED, _RAW):
        found = _first_with_sigma(tables, quantities)
        if found is None:
            continue
        listing, table = found
        if quantities is _RAW:
            told = "these are counts, without the corrections that make intensities of them (Lorentz, polarisation)"
            listing = replace(listing, warnings=(told,))
        return _chosen(listing, table, block, path)
    return None


def _tables(block: cif.Block, path: Path) -> Iterator[_Table]:
    for prefix in (f"{prefix}{separator}" for prefix in _PREFIXES for separator in "_."):
        loop = block.find_loop(f"{prefix}index_h").get_loop()
        if loop is None:
            continue
        if loop.length() > MOST_REFLECTIONS:
            raise too_many(path)
        values = loop.values
        columns = {tag.lower(): values[place :: loop.width()] for place, tag in enumerate(loop.tags)}
        yield _Table(prefix, columns, loop.length())


def _first_with_sigma(tables: Sequence[_Table], quantities: Sequence[_Quantity]) -> tuple[Listing, _Table] | None:
    """Return the first quantity that has σ, or else the first."""
    first = None
    for table in tables:
        for quantity in quantities:
            listing = _listing(table, quantity)
            if listing is None:
                continue
            if np.isfinite(listing.sigma).any():
                return listing, table
            first = first or (listing, table)
    return first


def _listing(table: _Table, quantity: _Quantity) -> Listing | None:
    """Return the rows of a quantity, those of the second mate after all of the first; None if it has no value."""
    if all(table.column(name) is None for name in quantity.values):
        return None
    unknown = ["?"] * table.rows
    hkl = np.stack([_numbers(table.column(f"index_{index}") or unknown)[0] for index in "hkl"], 1)
    parts = []
    for mate, (name, names_of_sigma) in enumerate(zip(quantity.values, quantity.sigmas, strict=True)):
        value, bracket = _numbers(table.column(name) or unknown)
        stated = next((found for one in names_of_sigma if (found := table.column(one)) is not None), None)
        parts.append((-hkl if mate else hkl, value, bracket if stated is None else _numbers(stated)[0]))
    hkl, value, sigma = (np.concatenate(part) for part in zip(*parts, strict=True))
    if not np.isfinite(value).any():
        return None
    kind = f"CIF, {table.prefix}{' and '.join(quantity.values)}"
    return Listing(hkl=hkl, value=value, sigma=sigma, amplitudes=quantity.amplitudes, kind=kind)


def _chosen(listing: Listing, table: _Table, block: cif.Block, path: Path) -> Listing:
    """Return the rows that are main reflections, of one wavelength, and not marked as unreliable.

    Raises:
        UserError: they are of several powder phases.
    """
    for phases in table.matching("phase_id"):
        names = [name for name in dict.fromkeys(phases) if not cif.is_null(name)]
        if len(names) > 1:
            what = f"reflections of {len(names)} phases in one list: {quoted(', '.join(names))}"
            raise fault(path, what, "each has a cell of its own: leave those of one phase in the file, and its cell")
    mates = len(listing.value) // table.rows
    remain = np.ones(table.rows, dtype=bool)
    wavelength, marks = _one_wavelength(table, block)
    for mask, why in (*_status(table), *_main(table), *marks):
        listing = listing.kept(np.tile(mask[remain], mates), why)
        remain &= mask
    if mates > 1:
        # One mate may be measured without the other.
        measured = ~np.isnan(listing.value)
        listing = replace(
            listing, hkl=listing.hkl[measured], value=listing.value[measured], sigma=listing.sigma[measured]
        )
    return replace(listing, stated=Stated(wavelength=wavelength))


def _status(table: _Table) -> Iterator[tuple[NDArray[np.bool_], str]]:
    for name in ("observed_status", "include_status", "status"):
        marks = table.column(name)
        if marks is not None:
            excluded = np.array([text.strip("'\"").lower() == "x" for text in marks])
            yield ~excluded, "the status x marks them as unreliable"
            return


def _main(table: _Table) -> Iterator[tuple[NDArray[np.bool_], str]]:
    orders = [np.nan_to_num(_numbers(texts)[0]) for texts in table.matching(r"index_m_?\d*")]
    if orders:
        yield np.all(np.equal(orders, 0), axis=0), "they are satellites of a modulated structure"


def _one_wavelength(table: _Table, block: cif.Block) -> tuple[float | None, list[tuple[NDArray[np.bool_], str]]]:
    """Return the wavelength in Å of most reflections, if the loop names it, and which rows have it."""
    marks = table.column("wavelength_id")
    if marks is None:
        return None, []
    counts = Counter(mark for mark in marks if not cif.is_null(mark))
    if not counts:
        return None, []
    [(chosen, _)] = counts.most_common(1)  # of equally many the first
    tag = "_diffrn_radiation_wavelength"
    pairs = [*block.find([f"{tag}.id", f"{tag}.wavelength"]), *block.find([f"{tag}_id", tag])]
    wavelength = next((number(row[1])[0] for row in pairs if row[0] == chosen), float("nan"))
    why = f"of {len(counts)} wavelengths, the one of {quoted(chosen)} was taken"
    mask = np.array([mark == chosen or cif.is_null(mark) for mark in marks])
    return wavelength if wavelength > 0 else None, [(mask, why)]


def _numbers(texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return numbers and the standard uncertainties in brackets behind them; NaN where there is none."""
    try:
        return np.array(texts, dtype=np.float64), np.full(len(texts), np.nan)
    except ValueError:
        pairs = [number(text) for text in texts]
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
