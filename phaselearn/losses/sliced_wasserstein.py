"""Sliced Wasserstein distance on the torus: the density is projected onto a circle along each integer direction."""

from __future__ import annotations

from itertools import product
from math import gcd, lcm

import torch
from torch import Tensor

from phaselearn.crystal.lattice import metric, reciprocal
from phaselearn.data.batch import Batch
from phaselearn.errors import UserError
from phaselearn.losses.base import Loss
from phaselearn.losses.relative import relative_difference


class SlicedWasserstein(Loss):
    """Mean over directions of the circular 1-Wasserstein distance of projected densities, in Å.

    The density is summed over the lattice planes (hkl), which gives a density on a circle whose circumference is the
    plane spacing d_hkl. The circle has L bins, the least common multiple of n₁, n₂ and n₃, and a voxel at x falls into
    bin L·(h·x mod 1). By the slice theorem, the projection is the line n·(hkl) of the transform. On a circle
    W₁ = d ∫|D − median(D)|, where D is the difference of the cumulative densities (Rabin, Delon and Gousseau, J. Math.
    Imaging Vis. 41, 147, 2011); this also holds for negative densities. Densities are shares of the target's electrons,
    without F(000).

    Args:
        max_index: largest |h|, |k| and |l| of the planes. Parallel planes count once: 1 gives 13 sets, 2 gives 49 and
            3 gives 145.

    Raises:
        UserError: `max_index` is below 1.
    """

    invariances = frozenset({"offset"})
    needs = frozenset({"lattice"})

    directions: Tensor

    def __init__(self, max_index: int = 2) -> None:
        super().__init__()
        if max_index < 1:
            raise UserError(
                f"loss.max_index={max_index} is too small: give a whole number of at least 1, e.g. loss.max_index=2"
            )
        directions = torch.tensor(lattice_directions(max_index))
        self.register_buffer("directions", directions, persistent=False)

    def compute(self, prediction: Tensor, target: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,)."""
        spectrum = torch.fft.fftn(relative_difference(prediction, target), dim=(1, 2, 3))
        shape = torch.tensor(spectrum.shape[1:], device=spectrum.device)
        bins = lcm(*spectrum.shape[1:])
        # (directions, L/2 + 1, 3): the places of n·(hkl) in the periodic box.
        line = torch.arange(bins // 2 + 1, device=spectrum.device)[:, None] * self.directions[:, None] % shape
        projected = torch.fft.irfft(spectrum[:, line[..., 0], line[..., 1], line[..., 2]], n=bins, dim=-1)
        cumulated = projected.cumsum(-1)
        deviation = (cumulated - cumulated.median(-1, keepdim=True).values).abs().mean(-1)
        star = metric(reciprocal(batch["lattice"].to(prediction.dtype)))
        planes = self.directions.to(star)
        spacing = torch.einsum("di,bij,dj->bd", planes, star, planes).rsqrt()
        return (deviation * spacing).mean(1)


def lattice_directions(max_index: int) -> list[tuple[int, int, int]]:
    """Return the coprime indices up to `max_index`, one of each pair hkl and −h −k −l."""
    along = range(-max_index, max_index + 1)
    return [hkl for hkl in product(along, along, along) if hkl > (0, 0, 0) and gcd(*hkl) == 1]
