"""The shortest of the vectors between two points of a periodic crystal: the minimum-image convention.

The nearest image in fractional coordinates and the 26 cells around it are searched. This is exact for lengths up to
half the smallest spacing of lattice planes, and for every reduced cell.
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from phaselearn.crystal.lattice import metric, reciprocal

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


def nearer_than(first: Tensor, second: Tensor, lattice: Tensor, distance: float | Tensor) -> Tensor:
    """Return (B, K, M) bool: whether the nearest images of two sets of points are closer than a distance.

    An image shorter than half the spacing of all lattice planes has fractional components below ½, since these are its
    products with a*, b* and c*. So rounding finds it, without the other images that `minimum_image_distance` searches.
    Only lattices whose planes are closer than twice the distance need those.

    Args:
        first: (B, K, 3) fractional positions.
        second: (B, M, 3) fractional positions.
        lattice: (B, 3, 3) in Å.
        distance: least distance in Å of pairs that are not near; (B, 1, 1) if each crystal has its own.
    """
    limit = first.new_ones((len(first), 1, 1)) * distance
    components = (first[:, :, None, axis] - second[:, None, :, axis] for axis in range(3))
    x, y, z = (each - each.round() for each in components)
    (xx, xy, xz), (_, yy, yz), (_, _, zz) = metric(lattice).to(first)[..., None, None].permute(1, 2, 0, 3, 4)
    square = (xx * x + 2 * xy * y + 2 * xz * z) * x + (yy * y + 2 * yz * z) * y + zz * z.square()
    near = square < limit.square()
    spacing = 1 / reciprocal(lattice).norm(dim=2).amax(1)
    rows = (spacing <= 2 * limit[:, 0, 0]).nonzero()[:, 0]
    if len(rows):
        near[rows] = minimum_image_distance(first[rows], second[rows], lattice[rows]) < limit[rows]
    return near


def _wrapped(difference: Tensor) -> Tensor:
    """Return the images of fractional vectors whose components lie in [−½, ½]."""
    return difference - difference.round()
