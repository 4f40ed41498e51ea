"""Two tests of a predicted density beyond its map correlation: vectors between maxima, and symmetry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from phaselearn.crystal.density import structure_factors_from_map
from phaselearn.crystal.layout import shape_of
from phaselearn.crystal.symmetry import operation_scores
from phaselearn.crystal.vectors import VectorTable, brightest_maxima, compare_vectors, highest_peaks
from phaselearn.data.sources.structure_type import Operation, space_group_operations
from phaselearn.report.surfaces import THRESHOLD


@dataclass(frozen=True)
class Symmetry:
    """Map correlations of maps with their copies, moved by the operations of the true space group.

    Each operation acts about the origin that gives the highest correlation.

    Attributes:
        operations: the G operations, without the identity.
        prediction: map correlations (G,) of the prediction with its moved copies.
        truth: map correlations (G,) of the true map with its moved copies; voxels are too coarse to give exactly 1.
        chance: map correlations (G,) of a map with the prediction's amplitudes and random phases. The choice of the
            best origin gives any map such values.
    """

    operations: tuple[Operation, ...]
    prediction: np.ndarray
    truth: np.ndarray
    chance: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """A prediction beside its crystal.

    Attributes:
        from_voxels: Table 1 of the report, in which groups of the most intense voxels are the maxima; None for a
            crystal with one atom or more than 40.
        from_peaks: Table 1 with peaks between the voxels as the maxima; None for the same crystals.
        peaks_above: number of peaks above 70 % of the highest, counted up to twice the number of atoms.
        symmetry: symmetry score; None where the space group is P1.
    """

    from_voxels: VectorTable | None
    from_peaks: VectorTable | None
    peaks_above: int
    symmetry: Symmetry | None


def compare(
    lattice: np.ndarray, numbers: np.ndarray, positions: np.ndarray, truth: np.ndarray, prediction: np.ndarray
) -> Comparison:
    """Compare a predicted density with a crystal; the origin and the hand do not matter.

    Args:
        lattice: lattice vectors (3, 3), rows in Å.
        numbers: atomic numbers (n,).
        positions: fractional coordinates (n, 3).
        truth: true density (n₁, n₂, n₃), voxel (i, j, k) at (i/n₁, j/n₂, k/n₃).
        prediction: predicted density (n₁, n₂, n₃); one that is not finite has no maxima.
    """
    count, shape = len(numbers), shape_of(prediction)
    finite = bool(np.isfinite(prediction).all())
    voxels = brightest_maxima(prediction, count) if finite else np.empty((0, 3))
    peaks, heights = highest_peaks(prediction, lattice, 2 * count) if finite else (np.empty((0, 3)), np.empty(0))
    return Comparison(
        from_voxels=compare_vectors(positions, voxels, lattice, shape),
        from_peaks=compare_vectors(positions, peaks[:count], lattice, shape),
        peaks_above=int((heights > THRESHOLD * heights.max(initial=0)).sum()),
        symmetry=_symmetry(lattice, numbers, positions, truth, prediction),
    )


def _symmetry(
    lattice: np.ndarray, numbers: np.ndarray, positions: np.ndarray, truth: np.ndarray, prediction: np.ndarray
) -> Symmetry | None:
    operations = space_group_operations((lattice, positions, numbers))
    if not operations:
        return None
    rotations = torch.tensor(np.array([operation.rotation for operation in operations]))
    translations = torch.tensor(np.array([operation.translation for operation in operations]))
    noise = np.random.default_rng(0).normal(size=prediction.shape)
    predicted, true, random = (_factors(density, lattice) for density in (prediction, truth, noise))
    chance = predicted.abs() * torch.exp(1j * random.angle())
    scores = (operation_scores(box, rotations, translations).numpy() for box in (predicted, true, chance))
    return Symmetry(tuple(operations), *scores)


def _factors(density: np.ndarray, lattice: np.ndarray) -> torch.Tensor:
    maps = torch.tensor(np.asarray(density, dtype=np.float64))[None]
    return structure_factors_from_map(maps, torch.tensor(np.asarray(lattice, dtype=np.float64))[None])[0]
