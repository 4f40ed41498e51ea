"""Lists that look like HKLF 4 and are something else: twin domains, and SHELXL's structure factors in plain text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phaselearn.measured.readers.listing import fault, quoted
from phaselearn.measured.readers.text import TextSource

_BATCH = 5  # place of the batch number among the words of a line
_COSINES = 6  # direction cosines that may stand at the end of a line


def is_list_2(source: TextSource) -> bool:
    """Return whether a list in columns of HKLF 4 is LIST 2 of SHELXL: h, k, l, |F|, σ, phase in 3I4, 2F8.2, I4.

    Only the name tells it, since a phase in whole degrees looks like a batch number.
    """
    name = source.path.name.lower().removesuffix(".gz")
    return source.content is None and name.endswith(".fcf")


def refuse_other_columns(lines: Sequence[bytes], path: Path) -> None:
    """Refuse lines of words whose sixth has a point, so that it is not a batch number.

    LIST 5 of SHELXL has h, k, l, |Fo|, |Fc| and the phase; other programs write h, k, l, m, I, σ or h, k, l, Io, Ic, σ.

    Args:
        lines: some reflections.
        path: the file, for errors.

    Raises:
        UserError: most lines are of such a kind.
    """
    words = [line.split() for line in lines]
    other = [row for row in words if _BATCH < len(row) < _BATCH + _COSINES and b"." in row[_BATCH]]
    if 2 * len(other) > len(words):
        what = f"the sixth column, e.g. {quoted(other[0][_BATCH])}, is not a batch number, so the others are in doubt"
        helps = (
            "give the .hkl of HKLF 4, of a modulated structure with the main reflections alone, or name the columns in "
            "a first line, e.g. `h k l F Fcalc phase`"
        )
        raise fault(path, what, helps)


def has_twin_domains(value: NDArray[np.float64], sigma: NDArray[np.float64], batch: NDArray[np.float64]) -> bool:
    """Return whether a list is HKLF 5: reflections of several twin domains that overlap have all the same intensity.

    A negative number says that the next line belongs to the same intensity. With HKLF 4 it may mark the free set.

    Args:
        value: intensities (M,).
        sigma: their σ (M,).
        batch: batch numbers (M,).
    """
    negative = batch < 0
    if not negative.any() or (batch != np.round(batch)).any():
        return False
    again = np.append((value[1:] == value[:-1]) & (sigma[1:] == sigma[:-1]), False)
    return bool(again[negative].mean() > 0.5)


def of_first_domain(batch: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which rows (M,) of HKLF 5 belong to the first domain alone.

    Args:
        batch: batch numbers (M,); the lines behind a negative one, up to a positive one, go on with the same intensity.
    """
    after_another = np.concatenate(([False], batch[:-1] < 0))
    return (batch == 1) & ~after_another
