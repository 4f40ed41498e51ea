"""How well a map repeats itself under the operations of a space group, wherever its origin is.

The report saw a network predict "symmetry without atoms"; these scores measure it. An operation x → R x + t about
another origin o is x → R x + t + (I − R) o, which keeps the screw and glide part of t. The correlation of a map with
its moved copy is then a trigonometric polynomial in o. Its maximum is found as in an alignment.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from phaselearn.crystal.alignment import climb
from phaselearn.crystal.layout import (
    BOX,
    Shape,
    in_parts,
    inside_nyquist,
    miller_box,
    multiplied,
    shape_of,
    strides,
    unravelled,
)

_OVERSAMPLING = 3  # search points for each voxel along an axis
_CANDIDATES = 3  # highest points that are refined


def operation_scores(factors: Tensor, rotations: Tensor, translations: Tensor) -> Tensor:
    """Return (G,) map correlations of a map with its copies moved by operations, each about its best origin.

    A score is 1 where the map has the operation, and about 0 where it has nothing like it. An origin shift of the map
    or of the operations changes nothing. Maps that are flat or not finite get NaN.

    Args:
        factors: FFT box (n₁, n₂, n₃) of the map, complex with Friedel symmetry; F(000) and Nyquist planes are left out.
        rotations: (G, 3, 3) whole numbers, in fractional coordinates of the map's cell.
        translations: (G, 3) fractional.
    """
    shape = shape_of(factors)
    hkl = torch.stack(torch.meshgrid(*miller_box(shape), indexing="ij"), -1).view(-1, 3)
    # C is real: a reflection and its mate give the same, so one of them is enough.
    half = (hkl @ strides(shape) > 0) & inside_nyquist(shape).flatten()
    hkl = hkl[half]
    box = factors.to(torch.complex128)
    power = box.abs().square().flatten()[half].sum()
    if not (torch.isfinite(power) and power > 0):
        return torch.full((len(rotations),), torch.nan, dtype=torch.float64)
    operations = torch.arange(len(rotations))
    parts = in_parts(operations, math.prod(multiplied(shape, _OVERSAMPLING)))
    return torch.cat([_scores(box, hkl, rotations[some].long(), translations[some].double()) for some in parts])


def _scores(box: Tensor, hkl: Tensor, rotations: Tensor, translations: Tensor) -> Tensor:
    shape = shape_of(box)
    size = torch.tensor(shape)
    # The map's copy has the structure factors F(Rᵀh) exp(2πi h·t).
    turned = torch.einsum("hi,gij->ghj", hkl, rotations)
    inside = (turned.abs() * 2 < size).all(-1)
    i, j, k = (turned % size).unbind(-1)
    copy = torch.where(inside, box[i, j, k], 0)
    own = torch.where(inside, box[tuple((hkl % size).T)], 0)
    norm = (copy.abs().square().sum(1) * own.abs().square().sum(1)).sqrt().clamp_min(1e-300)[:, None]
    angle = 2 * math.pi * (translations @ hkl.double().T)
    terms = copy * torch.polar(torch.ones_like(angle), angle) * own.conj() / norm
    frequencies = hkl - turned  # h·(I − R)o = ((I − R)ᵀh)·o
    value, origin = _search(terms, frequencies, multiplied(shape, _OVERSAMPLING))
    polynomial = terms, frequencies.double()
    value, _ = climb(
        partial(_value, *polynomial), partial(_derivatives, *polynomial), value, origin, 0.5 / size.double()
    )
    return value.amax(1)


def _search(terms: Tensor, frequencies: Tensor, grid: Shape) -> tuple[Tensor, Tensor]:
    """Return the highest values (G, K) of C at the points of a grid, and the points (G, K, 3).

    At the grid's points, frequencies count modulo the grid, so one FFT gives C exactly, however high they are.
    """
    size = torch.tensor(grid)
    place = (frequencies % size) @ strides(grid)
    coefficients = terms.new_zeros(len(terms), math.prod(grid)).scatter_add_(1, place, terms)
    surface = torch.fft.ifftn(coefficients.view(-1, *grid), dim=BOX, norm="forward").real
    value, best = surface.flatten(1).topk(_CANDIDATES, dim=1)
    return value, unravelled(best, grid).double() / size


def _value(terms: Tensor, frequencies: Tensor, origin: Tensor) -> Tensor:
    """Return C (G, K) at origins (G, K, 3)."""
    return _waves(terms, frequencies, origin).real.sum(-1)


def _derivatives(terms: Tensor, frequencies: Tensor, origin: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradient (G, K, 3) and the Hessian (G, K, 3, 3) of C at origins (G, K, 3)."""
    waves = _waves(terms, frequencies, origin)
    gradient = -2 * math.pi * (waves.imag @ frequencies)
    squares = (frequencies[..., :, None] * frequencies[..., None, :]).flatten(-2)
    hessian = -((2 * math.pi) ** 2) * (waves.real @ squares)
    return gradient, hessian.unflatten(-1, (3, 3))


def _waves(terms: Tensor, frequencies: Tensor, origin: Tensor) -> Tensor:
    angle = 2 * math.pi * (origin @ frequencies.mT)
    return terms[:, None] * torch.polar(torch.ones_like(angle), angle)
