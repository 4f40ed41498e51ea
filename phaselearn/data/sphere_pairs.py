"""Pairs of the layout `sphere`: the lists of reflections that a store holds, and the boxes that a batch holds."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from phaselearn.crystal.density import gaussian_damping, map_from_structure_factors, scattering_weights
from phaselearn.crystal.layout import Indices, Shape, miller_box
from phaselearn.crystal.sphere import Sphere
from phaselearn.crystal.structure_factors import geometric_sum, structure_factors
from phaselearn.data.batch import Batch
from phaselearn.data.pair_maps import pad_atoms
from phaselearn.data.pairs import PairDefinition
from phaselearn.data.structures import Crystal


def compute_lists(crystal: Crystal, definition: PairDefinition) -> tuple[np.ndarray, np.ndarray]:
    """Return a crystal's pair as its lists in the order of `Sphere`.

    Returns:
        Intensities (m,) in electrons², and real and imaginary part of the structure factors of the density (m, 2) in
        electrons, both float32.
    """
    sphere = definition.sphere(crystal.lattice)
    lattice, numbers, positions = pad_atoms([crystal])
    lattice = lattice.float()
    indices = _half_box(sphere.shape)
    factors = structure_factors(lattice, numbers, positions, indices, definition.scattering, definition.b_iso)
    intensity = sphere.of_half_box(factors.real.square() + factors.imag.square())[0]
    weights = scattering_weights(numbers, definition.weight).to(lattice.dtype)
    blurred = geometric_sum(weights, positions, indices) * gaussian_damping(lattice, indices, definition.sigma)
    return intensity.numpy(), torch.view_as_real(sphere.of_half_box(blurred)[0]).numpy()


def _half_box(shape: Shape) -> Indices:
    h, k, l = miller_box(shape)  # noqa: E741
    return h, k, l[: shape[2] // 2]


def boxes_of(lattice: np.ndarray, sphere: Sphere, intensity: np.ndarray, factors: np.ndarray) -> Batch:
    """Return a crystal's intensities and density on its own box, from its lists as `compute_lists` gives them.

    Args:
        lattice: (3, 3) in Å.
        sphere: the reflections that are listed.
        intensity: (m,) in electrons².
        factors: (m, 2) in electrons.

    Returns:
        A batch of one crystal with `intensity`, `density`, and `observed`, which is True in the sphere.
    """
    complex_factors = torch.view_as_complex(torch.from_numpy(np.ascontiguousarray(factors)))
    return Batch(
        intensity=sphere.on_box(torch.from_numpy(intensity))[None],
        observed=sphere.mask[None],
        density=_density(sphere.on_box(complex_factors)[None], lattice),
    )


def _density(factors: Tensor, lattice: np.ndarray) -> Tensor:
    return map_from_structure_factors(factors, torch.from_numpy(lattice)[None].float())
