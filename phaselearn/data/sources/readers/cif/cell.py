"""The cell of a block."""

from __future__ import annotations

import numpy as np

from phaselearn.data.admission import lattice_of
from phaselearn.data.sources.readers.cif.blocks import Block, number
from phaselearn.data.structures import Unusable

_LENGTHS = tuple(f"_cell_length_{axis}" for axis in "abc")
_ANGLES = tuple(f"_cell_angle_{name}" for name in ("alpha", "beta", "gamma"))


def read_lattice(block: Block) -> np.ndarray:
    """Return the cell vectors (3, 3) as rows, in Å: a along x, b in the plane of x and y.

    Raises:
        Unusable: the block has no cell, or an impossible one.
    """
    lengths = [number(block.value(name)) for name in _LENGTHS]
    angles = [_angle(block, name) for name in _ANGLES]
    if not np.isfinite(lengths + angles).all() or min(lengths) <= 0:
        raise Unusable("no cell")
    try:
        return lattice_of(lengths, angles)
    except Unusable as error:
        raise Unusable(f"no cell ({error})") from error


def _angle(block: Block, name: str) -> float:
    """Return an angle in degrees: 90, the dictionary's default, where none is stated, and NaN for `?`."""
    [text, *_] = block.column(name) or [""]
    return 90.0 if text == "" else number(text)
