"""The sight of atoms in a cell for a network: distances, Patterson maps at the vectors between them, difference maps.

All of it is invariant to origin and hand, or a vector that turns with the axes, and none of it needs a grid. With the
waves C + iS of the atoms, exp(2πi h·x), the Patterson function at all vectors between atoms is a matrix product,
P(xᵢ − xⱼ) = Σ_h |F|² (CᵢCⱼ + SᵢSⱼ), and so is its gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from phaselearn.crystal.lattice import reciprocal
from phaselearn.crystal.rows import Rows
from phaselearn.phasing.reflections import ReflectionList

SHELLS = 8  # distances are described by Gaussians around so many lengths
PAIR_FIGURES = 4  # observed and calculated Patterson function, each sharp and blurred
PAIR_VECTORS = SHELLS + PAIR_FIGURES
ATOM_FIGURES = 4  # difference map and map at the atom, each sharp and blurred
ATOM_VECTORS = ATOM_FIGURES
CRYSTAL_FIGURES = 4
_NEAREST, _FARTHEST, _REACH = 0.8, 4.4, 5.0  # Å, lengths of the first and the last shell, and the end of all
_BLUR = 12.0  # Å², B of the blurred maps: their peaks are seen from about an ångström


@dataclass(frozen=True)
class CellContents(Rows):
    """Measured reflections of B crystals, and the atoms that are in their cells, wherever these are.

    Attributes:
        reflections: the reflections.
        numbers: (B, A) atomic numbers, 0 for padding.
    """

    reflections: ReflectionList
    numbers: Tensor


@dataclass(frozen=True)
class AtomView(Rows):
    """The sight of atoms at trial positions.

    Attributes:
        pairs: (B, A, A, SHELLS + PAIR_FIGURES) numbers of two atoms.
        pair_vectors: (B, A, A, PAIR_VECTORS, 3) vectors of two atoms, without unit.
        atoms: (B, A, ATOM_FIGURES) numbers of an atom.
        atom_vectors: (B, A, ATOM_VECTORS, 3) vectors of an atom.
        crystal: (B, CRYSTAL_FIGURES) R, resolution in Å, and logarithms of the numbers of atoms and of reflections per
            atom.
    """

    pairs: Tensor
    pair_vectors: Tensor
    atoms: Tensor
    atom_vectors: Tensor
    crystal: Tensor


@torch.no_grad()
def view_of(contents: CellContents, position: Tensor) -> AtomView:
    """Return what is seen of atoms at positions (B, A, 3), fractional."""
    reflections, present = contents.reflections, contents.numbers > 0
    weight = contents.numbers.to(reflections.amplitude)
    count = reflections.counts().clamp_min(1)[:, None].to(weight)
    # Σ Z² is the mean |F|² of point atoms (Wilson, Nature 150, 152, 1942).
    square = weight.square().sum(1, keepdim=True)
    amplitude = reflections.amplitude * (square * count).sqrt()
    angle = 2 * math.pi * (reflections.index @ position.to(weight).mT)
    measured = reflections.measured[..., None]
    cosine, sine = angle.cos() * measured, angle.sin() * measured
    real, imaginary = (cosine @ weight[..., None])[..., 0], (sine @ weight[..., None])[..., 0]
    calculated = (real.square() + imaginary.square() + 1e-12).sqrt()
    gradient = 2 * math.pi * reflections.index @ reciprocal(reflections.lattice).to(weight)
    finest = reflections.inverse_square.mul(reflections.measured).amax(1).clamp_min(1e-4).sqrt()
    gradient = gradient / (2 * math.pi * finest[:, None, None])
    blur = torch.exp(-_BLUR / 4 * reflections.inverse_square) * reflections.measured
    sharpness = torch.stack((reflections.measured.to(weight), blur), -1)
    total = sharpness.sum(1).clamp_min(1e-6)

    terms = torch.stack((amplitude.square() - square, calculated.square() - square), -1)
    weights = (terms[..., None] * (sharpness / total[:, None])[:, :, None]).flatten(2)
    scale = (weight[:, :, None] * weight[:, None, :]).clamp_min(1)[..., None]
    values, slopes = _pair_sums(cosine, sine, weights, gradient)
    shells, directions = _shells(position.to(weight), reflections.lattice, present)

    ratio = torch.stack((amplitude / calculated - 1, amplitude / calculated), -1)
    weights = (ratio[..., None] * (sharpness / total[:, None])[:, :, None]).flatten(2)
    here, slope = _atom_sums(cosine, sine, real, imaginary, weights, gradient)
    own = weight.clamp_min(1)[..., None]

    difference = (amplitude - calculated).abs().sum(1, keepdim=True)
    atoms = present.sum(1, keepdim=True).clamp_min(1)
    both = (present[:, :, None] & present[:, None, :])[..., None]
    return AtomView(
        torch.cat((shells, (values / scale).clamp(-4, 4)), -1) * both,
        torch.cat((directions, (slopes / scale[..., None]).clamp(-4, 4)), 3) * both[..., None],
        (here / own).clamp(-4, 4) * present[..., None],
        (slope / own[..., None]).clamp(-4, 4) * present[..., None, None],
        torch.cat(
            (
                difference / amplitude.sum(1, keepdim=True).clamp_min(1e-6),
                1 / finest[:, None],
                atoms.log(),
                (count / atoms).log(),
            ),
            1,
        ),
    )


def _pair_sums(cosine: Tensor, sine: Tensor, weights: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Return Σ w cos(αᵢ − αⱼ), (B, A, A, W), and its gradient, (B, A, A, W, 3).

    Args:
        cosine, sine: (B, H, A) of the phase angles α.
        weights: (B, H, W).
        gradient: (B, H, 3) of an angle.
    """
    atoms = cosine.shape[2]
    shape = (len(cosine), atoms, -1, atoms)
    along = cosine.mT @ (weights[..., None] * cosine[:, :, None]).flatten(2)
    along += sine.mT @ (weights[..., None] * sine[:, :, None]).flatten(2)
    turned = (weights[..., None] * gradient[:, :, None]).flatten(2)
    across = (sine.mT @ (turned[..., None] * cosine[:, :, None]).flatten(2)).view(*shape)
    slopes = (across.transpose(1, 3) - across).movedim(2, 3)
    return along.view(*shape).movedim(2, 3), slopes.unflatten(3, (-1, 3))


def _atom_sums(
    cosine: Tensor, sine: Tensor, real: Tensor, imaginary: Tensor, weights: Tensor, gradient: Tensor
) -> tuple[Tensor, Tensor]:
    """Return Σ w |F| cos(φ − α) at atoms, (B, A, W), and its gradient, (B, A, W, 3)."""
    first, second = weights * real[..., None], weights * imaginary[..., None]
    here = cosine.mT @ first + sine.mT @ second
    turned = [(part[..., None] * gradient[:, :, None]).flatten(2) for part in (first, second)]
    slope = cosine.mT @ turned[1] - sine.mT @ turned[0]
    return here, slope.unflatten(2, (-1, 3))


def _shells(position: Tensor, lattice: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Return Gaussians of the distances between atoms, summed over the images of a pair within `_REACH`.

    Returns:
        (B, A, A, SHELLS), and the same Gaussians times the unit vectors from the other atom, (B, A, A, SHELLS, 3).
    """
    crystals, atoms = present.shape
    lattice = lattice.to(position)
    images = position.new_tensor(list(product((-1.0, 0.0, 1.0), repeat=3))) @ lattice
    centres = torch.linspace(_NEAREST, _FARTHEST, SHELLS, dtype=position.dtype, device=position.device)
    width = (_FARTHEST - _NEAREST) / (SHELLS - 1)
    difference = position[:, :, None] - position[:, None]
    apart = ((difference - difference.round()) @ lattice[:, None]).flatten(1, 2)
    shells = apart.new_zeros((crystals * atoms * atoms, SHELLS))
    directions = apart.new_zeros((crystals * atoms * atoms, SHELLS, 3))
    both = (present[:, :, None] & present[:, None]).flatten(1)
    # Most images are far away: |u + T|² of all of them is a matrix product, and few go on.
    square = apart.square().sum(-1, keepdim=True) + 2 * apart @ images.mT + images.square().sum(-1)[:, None]
    near = (square < _REACH**2) & both[..., None]
    # An atom does not see itself, but its images.
    near[:, :: atoms + 1, len(images[0]) // 2] = False
    crystal, pair, image = near.nonzero(as_tuple=True)
    vector = apart[crystal, pair] + images[crystal, image]
    length = vector.square().sum(-1, keepdim=True).sqrt().clamp_min(0.1)
    fading = 0.5 + 0.5 * (math.pi / _REACH * length).clamp_max(math.pi).cos()
    gaussian = torch.exp(-((length - centres) / width).square()) * fading
    place = crystal * (atoms * atoms) + pair
    shells.index_add_(0, place, gaussian)
    directions.index_add_(0, place, gaussian[..., None] * (vector / length)[:, None])
    shape = (crystals, atoms, atoms)
    return shells.unflatten(0, shape), directions.unflatten(0, shape)
