"""Linear equations modulo one, by Smith's normal form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TOLERANCE = 1e-4


def solved_modulo_one(matrix: NDArray[np.int64], right: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return x with matrix · x = right, up to whole numbers; None where there is none.

    Components that the equations leave free are 0; of several solutions, one near 0 is returned.

    Args:
        matrix: (M, N) whole numbers.
        right: (M,).
    """
    rows, right = matrix.copy(), right.astype(np.float64).copy()
    count = rows.shape[1]
    columns = np.eye(count, dtype=np.int64)
    rank = 0
    while rank < count and rows[rank:, rank:].any():
        rest = np.abs(rows[rank:, rank:])
        place = int(np.where(rest == 0, np.iinfo(np.int64).max, rest).argmin())
        row, column = divmod(place, rest.shape[1])
        rows[[rank, rank + row]], right[[rank, rank + row]] = rows[[rank + row, rank]], right[[rank + row, rank]]
        for values in (rows, columns):
            values[:, [rank, rank + column]] = values[:, [rank + column, rank]]
        pivot = rows[rank, rank]
        factor = rows[rank + 1 :, rank] // pivot
        rows[rank + 1 :] -= factor[:, None] * rows[rank]
        right[rank + 1 :] -= factor * right[rank]
        factor = rows[rank, rank + 1 :] // pivot
        rows[:, rank + 1 :] -= rows[:, rank, None] * factor
        columns[:, rank + 1 :] -= columns[:, rank, None] * factor
        if not rows[rank + 1 :, rank].any() and not rows[rank, rank + 1 :].any():
            rank += 1
    right -= np.round(right)
    if np.abs(right[rank:]).max(initial=0) > _TOLERANCE:
        return None
    result = np.zeros(count)
    result[:rank] = right[:rank] / rows.diagonal()[:rank]
    return columns @ result
