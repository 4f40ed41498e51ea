"""The cell of a block."""

from __future__ import annotations

import numpy as np

from phaselearn.data.admission import lattice_of
from phaselearn.data.sources.readers.cif.blocks import Block, number
from phaselearn.data.structures import Unusable

_LENGTHS = tuple(f"_cell_length_{axis}" for axis in "abc")
_VOLUME_ERROR = 0.05  # as a share; edges rounded to 0.1 Å may be as wrong as this
_ANGLES = tuple(f"_cell_angle_{name}" for name in ("alpha", "beta", "gamma"))


def read_lattice(block: Block) -> np.ndarray:
    """Return the cell vectors (3, 3) as rows, in Å: a along x, b in the plane of x and y.

    Raises:
        Unusable: the block has no cell, an impossible one, or one without the stated volume.
    """
    lengths = [number(block.value(name)) for name in _LENGTHS]
    angles = [_angle(block, name) for name in _ANGLES]
    if not np.isfinite(lengths + angles).all() or min(lengths) <= 0:
        raise Unusable("no cell")
    try:
        lattice = lattice_of(lengths, angles)
    except Unusable as error:
        raise Unusable(f"no cell ({error})") from error
    stated, volume = number(block.value("_cell_volume")), abs(float(np.linalg.det(lattice)))
    # A number that is not positive is a placeholder; NaN stands for none.
    if stated > 0 and abs(stated - volume) > _VOLUME_ERROR * volume:
        raise Unusable(f"a cell that does not have the stated volume ({volume:.6g} and {stated:.6g} Å³)")
    return lattice


def _angle(block: Block, name: str) -> float:
    """Return an angle in degrees: 90, the dictionary's default, where none is stated, and NaN for `?`."""
    [text, *_] = block.column(name) or [""]
    return 90.0 if text == "" else number(text)
