"""Rows of a file become measured reflections: numbers are checked, what was not measured is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phaselearn.errors import UserError
from phaselearn.measured.cells import Cell, inverse_d_squared
from phaselearn.measured.readers.listing import LARGEST_INDEX, Listing, Stated, fault
from phaselearn.measured.reflection_data import Experiment, ReflectionData, probe_of

_LARGEST_VALUE = 1e15  # its square still has room in single precision
_SHARPEST = 0.1  # Å: no crystal diffracts further
_WAVELENGTHS = (0.001, 20.0)  # Å
_BEYOND = 0.1  # largest share of reflections beyond a limit that may be errors
_NEARLY = 0.99  # of λ/2: cells and wavelengths have errors
_WHOLE = 0.01  # largest distance of an index from a whole number
_IMPOSSIBLE = -6.0  # I/σ that no measurement of nothing gives
# Equal values, zero or below, with equal σ were never measured if they lie so far below zero, or if σ is far smaller
# than the smallest of positive intensities.
_REPEATED, _UNLIKELY, _FAR_SMALLER, _SMALL = 5, -2.0, 0.2, 5
_NINES, _FAR_LARGER = 4, 5.0  # digits of a largest value of a format, and how far it lies above all that was measured
_ONE_D = 1.01  # ratio of 1/d² up to which reflections may be equivalent
_UNKNOWN_SIGMA = 0.05, 0.02  # of I and of ⟨I⟩, where no σ is known
_LEAST_SIGMA = 1e-9  # of the largest intensity: weights of 1/σ² stay numbers
_STRONGEST = 10  # one reflection in so many shows by which share of I its σ grows


def checked(listing: Listing, stated: Stated, path: Path) -> ReflectionData:
    """Return the reflections of a file.

    Args:
        listing: its rows.
        stated: statements of the user and the file about the crystal.
        path: the file, for errors.

    Raises:
        UserError: the cell is unknown, a number is out of range, or nothing remains.
    """
    if stated.cell is None:
        if stated.cell_fault:
            raise UserError(stated.cell_fault)
        helps = "give it: `cell=[a,b,c,α,β,γ]` in Å and degrees, or `ins=FILE.ins`"
        raise fault(path, "the cell is not known", helps)
    listing = _without_overflow(_real_rows(listing, path), stated.cell)
    square = inverse_d_squared(listing.hkl.astype(np.int64), stated.cell)
    if len(square) and np.mean(square > _SHARPEST**-2) > _BEYOND:
        what = f"the indices reach d = {square.max() ** -0.5:.3g} Å, further than any crystal diffracts"
        raise fault(path, what, "look at the cell and the columns of h, k, l")
    wavelength, warnings = _possible_wavelength(stated.wavelength, square)
    limit = max(_SHARPEST, wavelength / 2 * _NEARLY if wavelength else 0.0)
    why = f"they lie beyond d = {limit:.2f} Å, which the experiment cannot reach"
    listing = listing.kept(square <= limit**-2, why)
    intensity, sigma = _intensities(listing)
    listing = replace(listing, value=intensity, sigma=sigma, amplitudes=False)
    listing = _measured(_with_every_sigma(listing))
    if not len(listing.value) or listing.value.max() <= 0:
        raise fault(path, "no reflection with a positive intensity remains", "look at its columns of intensity and σ")
    return ReflectionData(
        hkl=listing.hkl.astype(np.int32),
        intensity=listing.value,
        sigma=listing.sigma,
        experiment=Experiment(
            cell=stated.cell,
            wavelength=wavelength,
            probe=stated.probe or probe_of(wavelength),
            contents=dict(stated.contents),
            operations=stated.operations,
        ),
        source=f"{path} ({listing.kind})",
        warnings=(*warnings, *listing.warnings),
    )


def _real_rows(listing: Listing, path: Path) -> Listing:
    """Leave out rows without a value, and the origin.

    Raises:
        UserError: a number is out of range.
    """
    listing = listing.kept(~np.isnan(listing.value), "they have no value")
    listing = listing.kept(~np.isnan(listing.hkl.min(axis=1, initial=0.0)), "they have no indices")
    largest = np.abs(listing.hkl).max(initial=0.0)
    if largest > LARGEST_INDEX:
        helps = f"up to {LARGEST_INDEX:,} are read: look at the columns of h, k, l"
        raise fault(path, f"an index of {largest:g}", helps)
    whole = np.abs(listing.hkl - np.round(listing.hkl)).max(axis=1, initial=0.0) <= _WHOLE
    listing = listing.kept(whole, "their indices are not whole numbers")
    listing = replace(listing, hkl=np.round(listing.hkl))
    listing = listing.kept(np.any(listing.hkl != 0, axis=1), "the reflection 0 0 0 is not measured")
    highest = max(np.abs(listing.value).max(initial=0.0), np.abs(np.nan_to_num(listing.sigma)).max(initial=0.0))
    if listing.amplitudes:
        highest = highest**2 if highest < 1e100 else np.inf
    if not highest <= _LARGEST_VALUE:
        helps = f"up to {_LARGEST_VALUE:g} are read: scale the data down"
        raise fault(path, f"an intensity or σ of {highest:.3g}", helps)
    return listing


def _without_overflow(listing: Listing, cell: Cell) -> Listing:
    """Leave out the largest value of a format, such as 99999.99, if several reflections have it, far above all others.

    One reflection and its equivalents, all of one d, may have been measured so: some programs scale the strongest to
    9999.99. Near the others such a value is a good lower limit.
    """
    largest = listing.value.max(initial=0.0)
    at_top = listing.value == largest
    below = listing.value[~at_top].max(initial=0.0)
    digits = f"{largest:.8g}".replace(".", "")
    if set(digits) != {"9"} or len(digits) < _NINES or not 0 < _FAR_LARGER * below < largest:
        return listing
    square = inverse_d_squared(listing.hkl[at_top].astype(np.int64), cell)
    if square.max() < _ONE_D * square.min():
        return listing
    return listing.kept(~at_top, f"{largest:.8g} again and again, far above all others, stands for an overflow")


def _possible_wavelength(wavelength: float | None, square: NDArray[np.float64]) -> tuple[float | None, tuple[str, ...]]:
    """Return a wavelength in Å if it can be that of the measurement, and a warning if it cannot.

    Args:
        wavelength: as it is stated.
        square: 1/d² (M,) of the reflections in 1/Å².
    """
    if wavelength is None:
        return None, ()
    if not _WAVELENGTHS[0] <= wavelength <= _WAVELENGTHS[1]:
        return None, (f"a wavelength of {wavelength:g} Å is none of a diffraction experiment: it was left out",)
    beyond = float(np.mean(square > (wavelength / 2 * _NEARLY) ** -2)) if len(square) else 0.0
    if beyond > _BEYOND:
        return None, (
            f"{beyond:.0%} of the reflections lie beyond λ/2 of the stated λ = {wavelength:g} Å: it was left out, and "
            "the cell may be wrong",
        )
    return wavelength, ()


def _intensities(listing: Listing) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return |F|² and its σ: of |F| with a normal error, var F² = 4F²σ² + 2σ⁴."""
    if not listing.amplitudes:
        return listing.value, listing.sigma
    amplitude, sigma = listing.value, listing.sigma
    spread = np.sqrt(4 * np.square(amplitude * sigma) + 2 * sigma**4)
    return amplitude * np.abs(amplitude), np.where(sigma > 0, spread, sigma)


def _with_every_sigma(listing: Listing) -> Listing:
    """Leave out what σ < 0 marks as not measured, and estimate σ where it is zero or missing.

    Where σ² = a² + (b·I)² of the others, a is the median σ of the weaker half and b that of σ/I of the strongest tenth.
    """
    marked = listing.sigma < 0
    if 2 * marked.sum() <= len(marked):
        listing = listing.kept(~marked, "σ < 0 marks them as not measured")
    if (listing.sigma > 0).any():
        listing = listing.kept((listing.value != 0) | (listing.sigma > 0), "I and σ are zero")
    intensity, sigma = listing.value, listing.sigma
    known = sigma > 0
    if known.all():
        return listing
    if known.any():
        by_strength = np.flatnonzero(known)[np.argsort(intensity[known])]
        strongest = by_strength[-max(1, len(by_strength) // _STRONGEST) :]
        constant = float(np.median(sigma[by_strength[: max(1, len(by_strength) // 2)]]))
        share = float(np.median(sigma[strongest] / np.maximum(intensity[strongest], sigma[strongest])))
        source = "from that of the others"
    else:
        share, constant = _UNKNOWN_SIGMA[0], _UNKNOWN_SIGMA[1] * float(np.abs(intensity).mean())
        source = f"as {_UNKNOWN_SIGMA[0]:.0%} of the intensity and {_UNKNOWN_SIGMA[1]:.0%} of the mean"
    estimated = np.hypot(constant, share * intensity)
    warning = f"σ of {int((~known).sum()):,} of {len(known):,} reflections is not known: it was estimated {source}"
    return replace(listing, sigma=np.where(known, sigma, estimated), warnings=(*listing.warnings, warning))


def _measured(listing: Listing) -> Listing:
    """Leave out values that stand for "not measured": impossible ones, and the same one again and again.

    Programs write −1 and −1, or 0 and 0, and other programs scale them or make σ positive.
    """
    least = _LEAST_SIGMA * np.abs(listing.value).max(initial=0.0)
    listing = replace(listing, sigma=np.maximum(listing.sigma, max(least, np.finfo(np.float64).tiny)))
    value, sigma = listing.value, listing.sigma
    left_out = value / sigma < _IMPOSSIBLE
    low = np.flatnonzero(value <= 0)
    pairs = np.stack((value[low], sigma[low]), 1)
    _, owner, count = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    above = sigma[value > 0]
    usual = np.percentile(above, _SMALL) if len(above) else 0.0
    repeated = (count >= _REPEATED)[owner.reshape(-1)]
    left_out[low] |= repeated & ((value[low] < _UNLIKELY * sigma[low]) | (sigma[low] < _FAR_SMALLER * usual))
    why = f"nothing that is measured lies so far below zero (I/σ < {_IMPOSSIBLE:g}), or is the same again and again"
    return listing.kept(~left_out, why)
