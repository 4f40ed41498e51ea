"""Cells as six numbers: metric, volume, resolution of reflections; and the check that six numbers are a cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from phaselearn.errors import UserError

Cell = tuple[float, float, float, float, float, float]  # a, b, c in Å, α, β, γ in degrees

_EDGES = (1.5, 2000.0)  # Å: the shortest, below which lengths may be nanometres, and the longest
_LEAST_VOLUME = 1e-3  # of a·b·c: the square root of 1 + 2 cos α cos β cos γ − cos² α − cos² β − cos² γ


def checked_cell(numbers: tuple[float, ...], where: str) -> Cell:
    """Return six numbers as a cell.

    Args:
        numbers: a, b, c in Å, α, β, γ in degrees.
        where: file and line, or the setting, that gave them.

    Raises:
        UserError: they are not those of a cell.
    """
    helps = "give the right one: `cell=[a,b,c,α,β,γ]` in Å and degrees"
    if len(numbers) != 6:
        raise UserError(f"{where}: a cell has six numbers, not {len(numbers)}; {helps}")
    a, b, c, alpha, beta, gamma = map(float, numbers)
    given = " ".join(f"{number:g}" for number in numbers)
    if (a, b, c) == (1, 1, 1):  # so gemmi and others write a cell that they could not read
        raise UserError(f"{where}: the cell {given} stands for a cell that is unknown; {helps}")
    if not all(_EDGES[0] <= edge <= _EDGES[1] for edge in (a, b, c)):
        raise UserError(f"{where}: the cell {given} has an edge outside of {_EDGES[0]:g} to {_EDGES[1]:g} Å; {helps}")
    if not all(0 < angle < 180 for angle in (alpha, beta, gamma)):
        raise UserError(f"{where}: the cell {given} has an angle outside of 0 to 180°; {helps}")
    cell = (a, b, c, alpha, beta, gamma)
    if np.linalg.det(metric(cell)) <= (_LEAST_VOLUME * a * b * c) ** 2:
        raise UserError(f"{where}: the angles of the cell {given} close no parallelepiped; {helps}")
    return cell


def metric(cell: Cell) -> NDArray[np.float64]:
    """Return the metric tensor G (3, 3) in Å², with |x|² = x·G·x for fractional x."""
    edges = np.array(cell[:3], dtype=np.float64)
    cosines = np.cos(np.deg2rad(cell[3:]))
    result = np.outer(edges, edges)
    for (row, column), cosine in zip(((1, 2), (0, 2), (0, 1)), cosines, strict=True):
        result[row, column] *= cosine
        result[column, row] *= cosine
    return result


def lattice_of(cell: Cell) -> NDArray[np.float64]:
    """Return the cell vectors (3, 3) as rows in Å, a along x and b in the xy plane."""
    return np.linalg.cholesky(metric(cell)).astype(np.float64)


def volume(cell: Cell) -> float:
    """Return the volume of a cell in Å³."""
    return float(np.sqrt(np.linalg.det(metric(cell))))


def inverse_d_squared(hkl: NDArray[np.integer], cell: Cell) -> NDArray[np.float64]:
    """Return 1/d² (M,) in 1/Å² of reflections (M, 3)."""
    indices = np.asarray(hkl, dtype=np.float64)
    return np.einsum("mi,ij,mj->m", indices, np.linalg.inv(metric(cell)), indices)
