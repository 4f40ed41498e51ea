"""Cells, resolution and shortest vectors, in numpy and double precision."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from phaselearn.crystal.minimum_image import minimum_image
from phaselearn.measured.cells import Cell


def cell_of(lattice: NDArray[np.float64]) -> Cell:
    """Return lengths in Å and angles in degrees of a lattice, rows a, b, c."""
    a, b, c = lengths = np.linalg.norm(lattice, axis=1)
    cosines = [lattice[i] @ lattice[j] / (lengths[i] * lengths[j]) for i, j in ((1, 2), (0, 2), (0, 1))]
    alpha, beta, gamma = np.rad2deg(np.arccos(np.clip(cosines, -1, 1)))
    return float(a), float(b), float(c), float(alpha), float(beta), float(gamma)


def symmetrised(lattice: NDArray[np.float64], rotations: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the lattice nearest to a measured one whose lengths and angles obey rotations (R, 3, 3) exactly."""
    metric = lattice @ lattice.T
    mean = np.mean([rotation.T @ metric @ rotation for rotation in rotations], axis=0)
    return np.linalg.cholesky(mean)


def inverse_d_squared(hkl: NDArray[np.integer], lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1/d² (...) in 1/Å² of reflections (..., 3)."""
    return np.square(hkl @ np.linalg.inv(lattice).T).sum(-1)


def shortest(difference: NDArray[np.float64], lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shortest of the periodic images of fractional vectors (..., 3), still fractional."""
    images, _ = minimum_image(torch.from_numpy(difference.reshape(1, 1, -1, 3)), torch.from_numpy(lattice)[None])
    return images.numpy().reshape(difference.shape)


def distances(difference: NDArray[np.float64], lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lengths (...) in Å of the shortest images of fractional vectors (..., 3)."""
    return np.linalg.norm(shortest(difference, lattice) @ lattice, axis=-1)
