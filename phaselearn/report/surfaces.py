"""Isosurfaces of periodic maps in any cell: Fourier interpolation, marching cubes, then the lattice.

`maps.js` does the same in the page, so figures and page draw the same surfaces.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.signal import resample
from skimage.measure import marching_cubes

FINEST_SPACING = 0.1  # Å between the points that a surface is drawn from
MOST_VOXELS = 64  # along an axis, unless the map itself has more
THRESHOLD = 0.7  # of the maximum: the report's


@dataclass(frozen=True)
class Surface:
    """Triangles of an isosurface, closed by caps where it meets the faces of the cell.

    Attributes:
        vertices: Cartesian coordinates (V, 3) in Å.
        faces: vertices (F, 3) of the triangles, anticlockwise as seen from the low side.
    """

    vertices: np.ndarray
    faces: np.ndarray


def drawing_shape(shape: tuple[int, ...], lattice: np.ndarray) -> tuple[int, ...]:
    """Return the shape of the grid on which a map of this shape is drawn; it is at least as fine."""
    wanted = np.ceil(np.linalg.norm(lattice, axis=1) / FINEST_SPACING).astype(int)
    return tuple(max(size, min(int(want), MOST_VOXELS)) for size, want in zip(shape, wanted, strict=True))


def interpolate(density: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a periodic map on a finer grid by Fourier interpolation; the origin stays where it was."""
    for axis, size in enumerate(shape):
        density = resample(density, size, axis=axis)
    return density


def isosurface(density: np.ndarray, lattice: np.ndarray, share: float = THRESHOLD) -> Surface:
    """Return the surface of one cell where a periodic map equals a share of its maximum.

    Args:
        density: map (N, M, K), voxel (i, j, k) at (i/N, j/M, k/K). It is drawn as it is, so `interpolate` it first.
        lattice: lattice vectors (3, 3), rows a, b, c in Å.
        share: share of the maximum at which the surface lies, 0 … 1.

    Returns:
        The surface; without triangles if the map is nowhere positive or not finite.
    """
    highest = density.max()
    if not np.isfinite(density).all() or highest <= 0:
        return Surface(np.empty((0, 3)), np.empty((0, 3), dtype=int))
    level = share * highest
    closed = np.pad(density.astype(np.float64), (0, 1), mode="wrap")
    # One layer far below the level puts the caps on the faces of the cell, to a millionth of a voxel.
    span = highest - closed.min()
    capped = np.pad(closed, 1, constant_values=level - 1e6 * span)
    vertices, faces, _, _ = marching_cubes(capped, level, gradient_direction="ascent")
    fractional = np.clip((vertices - 1) / density.shape, 0, 1)
    if np.linalg.det(lattice) < 0:
        faces = faces[:, ::-1]
    return Surface(fractional @ lattice, faces)


def atoms_in_cell(numbers: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the atoms of one cell, those on faces, edges and corners with all their images there.

    Args:
        numbers: atomic numbers (n,).
        positions: fractional coordinates (n, 3).

    Returns:
        Atomic numbers (m,) and fractional positions (m, 3), all in 0 … 1.
    """
    margin = 1e-3
    wrapped = np.asarray(positions, dtype=np.float64) % 1.0
    wrapped[wrapped > 1 - margin] -= 1.0
    images = np.concatenate([wrapped + shift for shift in product((0, 1), repeat=3)])
    inside = (images <= 1 + margin).all(1)
    return np.tile(numbers, 8)[inside], np.clip(images[inside], 0, 1)


def cell_edges(lattice: np.ndarray) -> list[np.ndarray]:
    """Return the twelve edges of the cell, each (2, 3) Cartesian in Å."""
    corners = list(product((0, 1), repeat=3))
    return [
        np.array([start, end]) @ lattice
        for start in corners
        for end in corners
        if sum(end) - sum(start) == 1 and all(low <= high for low, high in zip(start, end, strict=True))
    ]


def plane_basis(lattice: np.ndarray, axis: int) -> np.ndarray:
    """Return the two other lattice vectors in the plane that they span, (2, 2) in Å, the first along x.

    They follow `axis` cyclically, so that the plane is seen from the side of the axis.
    """
    first, second = lattice[(axis + 1) % 3], lattice[(axis + 2) % 3]
    length = np.linalg.norm(first)
    along = first @ second / length
    return np.array([[length, 0.0], [along, np.sqrt(max(second @ second - along**2, 0.0))]])
