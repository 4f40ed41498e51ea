"""The shortest of the vectors between two points of a periodic crystal: the minimum-image convention.

The nearest image in fractional coordinates and the 26 cells around it are searched. This is exact for lengths up to
half the smallest spacing of lattice planes, and for every reduced cell.
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from phaselearn.crystal.lattice import metric

_CELLS = list(product((-1.0, 0.0, 1.0), repeat=3))
_HALF_OF_CELLS = [cell for cell in _CELLS if cell > (0.0, 0.0, 0.0)]  # the others are their negatives, and the origin


def minimum_image(difference: Tensor, lattice: Tensor) -> tuple[Tensor, Tensor]:
    """Return the shortest image of each vector, and its length.

    Args:
        difference: (B, K, M, 3) fractional vectors.
        lattice: (B, 3, 3) in Å.

    Returns:
        The images (B, K, M, 3), fractional, and their lengths (B, K, M) in Å.
    """
    difference = _wrapped(difference)
    g = metric(lattice).to(difference)
    best = torch.full_like(difference[..., 0], torch.inf)
    which = torch.zeros(best.shape, dtype=torch.long, device=difference.device)
    images = difference.new_tensor(_CELLS)
    for number, image in enumerate(images):
        moved = difference + image
        square = ((moved @ g[:, None]) * moved).sum(-1)
        which = torch.where(square < best, number, which)
        best = torch.minimum(best, square)
    return difference + images[which], best.clamp_min(0).sqrt()


def minimum_image_distance(first: Tensor, second: Tensor, lattice: Tensor) -> Tensor:
    """Return the distances between the nearest images of two sets of points.

    Since |d ± n|² = |d|² + |n|² ± 2 d·n, two cells cost one product. This is several times as fast as `minimum_image`.

    Args:
        first: (B, K, 3) fractional positions.
        second: (B, M, 3) fractional positions.
        lattice: (B, 3, 3) in Å.

    Returns:
        (B, K, M) in Å.
    """
    difference = _wrapped(first[:, :, None, :] - second[:, None, :, :])
    g = metric(lattice).to(difference)
    across = difference @ g[:, None]
    images = difference.new_tensor(_HALF_OF_CELLS)
    length = torch.einsum("ni,bij,nj->bn", images, g, images)
    gain = torch.zeros_like(difference[..., 0])
    for number, image in enumerate(images):
        gain = torch.minimum(gain, length[:, number, None, None] - 2 * (across @ image).abs())
    return ((across * difference).sum(-1) + gain).clamp_min(0).sqrt()


def _wrapped(difference: Tensor) -> Tensor:
    """Return the images of fractional vectors whose components lie in [−½, ½]."""
    return difference - difference.round()
