"""The best origin and hand: |F| depends on neither, so every comparison of phases searches for them first.

Let P and T be the structure factors of two maps. After the first is shifted by t, their correlation is the
trigonometric polynomial C(t) = Σ_h Re(P(h) exp(2πi h·t) T*(h)) / (|P| |T|). One FFT gives it at every voxel, and Newton
steps on the polynomial itself give its maximum between voxels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from phaselearn.crystal.layout import BOX, Shape, half_box, miller_box, multiplied, shape_of, unravelled
from phaselearn.crystal.rows import Rows

_CANDIDATES = 3  # highest voxels that are refined: the highest maximum need not be next to the highest voxel
_NEWTON_STEPS = 4


@dataclass(frozen=True)
class Alignment(Rows):
    """The move that superimposes one map on another: inversion where `inverted`, then a shift by `shift`.

    Attributes:
        shift: (B, 3) fractional, in [0, 1).
        inverted: (B,) bool.
        correlation: (B,) Pearson correlation of the two maps after alignment, without F(000).
    """

    shift: Tensor
    inverted: Tensor
    correlation: Tensor

    def apply(self, factors: Tensor) -> Tensor:
        """Return the structure factors (B, n₁, n₂, n₃) of the aligned map: ρ(±r − t)."""
        chosen = torch.where(self.inverted[:, None, None, None], factors.conj(), factors)
        return chosen * _shift_phases(self.shift.to(factors.real.dtype), shape_of(factors))

    def apply_to_positions(self, positions: Tensor) -> Tensor:
        """Return fractional positions (B, K, 3) of the first crystal, moved as its map is."""
        sign = torch.where(self.inverted, -1.0, 1.0).to(positions)[:, None, None]
        return (sign * positions + self.shift.to(positions)[:, None, :]) % 1.0


def _shift_phases(shift: Tensor, shape: Shape) -> Tensor:
    """Return exp(2πi h·t) as (B, n₁, n₂, n₃) for shifts (B, 3)."""
    angles = [2 * math.pi * shift[:, axis, None] * index for axis, index in enumerate(miller_box(shape, shift.device))]
    in_h, in_k, in_l = (torch.polar(torch.ones_like(angle), angle) for angle in angles)
    return in_h[:, :, None, None] * in_k[:, None, :, None] * in_l[:, None, None, :]


def align(
    predicted: Tensor, true: Tensor, refine: bool = True, inversion: bool = True, oversampling: int = 2
) -> Alignment:
    """Find the origin shift and the hand at which two maps correlate best.

    Args:
        predicted: complex (B, n₁, n₂, n₃) FFT boxes with Friedel symmetry and empty Nyquist planes.
        true: complex FFT boxes of the same kind and shape.
        refine: also maximise between the voxels.
        inversion: also try the other hand.
        oversampling: search points for each voxel along an axis; used with `refine` only.

    Returns:
        The alignment that superimposes `predicted` on `true`. Maps that are empty or not finite get correlation 0.
    """
    # The other hand of the prediction has the conjugate structure factors.
    hands = [predicted, predicted.conj()] if inversion else [predicted]
    product = torch.stack([hand * true.conj() for hand in hands], 1)
    product[..., 0, 0, 0] = 0
    norm = _power(predicted) * _power(true)
    product = product / norm.clamp_min(torch.finfo(norm.dtype).tiny).sqrt()[:, None, None, None, None]
    sound = torch.isfinite(norm)
    if not sound.all():
        product = torch.where(sound[:, None, None, None, None], product, 0)

    batch, count = product.shape[:2]
    grid = multiplied(shape_of(product), oversampling if refine else 1)
    surface = _correlation_surface(product.flatten(0, 1), grid).unflatten(0, (batch, count))
    candidates = _CANDIDATES if refine else 1
    value, place = surface.flatten(2).topk(candidates, dim=-1)
    shift = unravelled(place, grid).to(value) / value.new_tensor(grid)
    if refine:
        value, shift = _refine(product, value, shift)
    value, shift = value.flatten(1), shift.flatten(1, 2)
    best = value.argmax(1)
    rows = torch.arange(batch, device=best.device)
    correlation = value[rows, best].clamp(-1, 1)
    return Alignment(shift[rows, best] % 1.0, best >= candidates, correlation)


def _power(factors: Tensor) -> Tensor:
    power = (factors.real.square() + factors.imag.square()).flatten(1).sum(1)
    return power - factors[:, 0, 0, 0].abs().square()


def _correlation_surface(product: Tensor, grid: Shape) -> Tensor:
    """Return C(t) at the points of a grid, real (B, *grid), by a zero-padded FFT."""
    # Σ_h c(h) exp(+2πi h·t) is an inverse FFT without its 1/(n₁n₂n₃).
    return torch.fft.irfftn(half_box(product, grid), s=grid, dim=BOX, norm="forward")


def _refine(product: Tensor, value: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Return the values (B, H, K) and shifts (B, H, K, 3) that are reached by climbing C(t) from each candidate."""
    shape = shape_of(product)
    # C is real, so the reflections with l < 0 repeat those with l > 0.
    half = product[..., : shape[2] // 2 + 1].clone()
    half[..., 1:] *= 2
    polynomial = half, shape
    return climb(
        partial(_value, *polynomial), partial(_derivatives, *polynomial), value, shift, 0.5 / value.new_tensor(shape)
    )


def climb(
    value_at: Callable[[Tensor], Tensor],
    derivatives_at: Callable[[Tensor], tuple[Tensor, Tensor]],
    value: Tensor,
    place: Tensor,
    longest: Tensor,
) -> tuple[Tensor, Tensor]:
    """Climb a smooth function from several candidates by Newton steps.

    A step that does not climb is shortened, so the result is never worse than the candidate. Where the derivatives are
    not finite, the candidate stays.

    Args:
        value_at: gives the values (...) at places (..., 3).
        derivatives_at: gives the gradients (..., 3) and Hessians (..., 3, 3) at places (..., 3).
        value: (...) values at the candidates.
        place: (..., 3) places of the candidates.
        longest: (3,) largest step along each axis.

    Returns:
        The values (...) and places (..., 3) reached.
    """
    for _ in range(_NEWTON_STEPS):
        gradient, hessian = derivatives_at(place)
        # One map that is not finite would make LAPACK fail for all crystals.
        known = torch.isfinite(hessian).all(-1).all(-1)[..., None]
        hessian, gradient = torch.where(known[..., None], hessian, 0.0), torch.where(known, gradient, 0.0)
        # Away from a maximum the Hessian is not negative definite, so its eigenvalues are taken by magnitude.
        eigenvalues, vectors = torch.linalg.eigh(hessian)
        scale = eigenvalues.abs().clamp_min(1e-6 * eigenvalues.abs().amax(-1, keepdim=True).clamp_min(1e-12))
        step = (vectors @ ((vectors.mT @ gradient[..., None]) / scale[..., None])).squeeze(-1)
        step = step.clamp(-longest, longest)
        for shortened in (1.0, 0.25):
            tried = value_at(place + shortened * step)
            better = tried > value
            value = torch.where(better, tried, value)
            place = torch.where(better[..., None], place + shortened * step, place)
            step = torch.where(better[..., None], 0.0, step)
    return value, place


def _value(half: Tensor, shape: Shape, shift: Tensor) -> Tensor:
    """Return C at shifts (B, H, K, 3); coefficients as in `_table`."""
    return _table(half, shape, shift, orders=1)[..., 0, 0, 0]


def _derivatives(half: Tensor, shape: Shape, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradient (..., 3) and the Hessian (..., 3, 3) of C at shifts (B, H, K, 3); see `_table`."""
    table = _table(half, shape, shift, orders=3)
    gradient = torch.stack((table[..., 1, 0, 0], table[..., 0, 1, 0], table[..., 0, 0, 1]), -1)
    xx, yy, zz = table[..., 2, 0, 0], table[..., 0, 2, 0], table[..., 0, 0, 2]
    xy, xz, yz = table[..., 1, 1, 0], table[..., 1, 0, 1], table[..., 0, 1, 1]
    hessian = torch.stack((xx, xy, xz, xy, yy, yz, xz, yz, zz), -1).unflatten(-1, (3, 3))
    return gradient, hessian


def _table(half: Tensor, shape: Shape, shift: Tensor, orders: int) -> Tensor:
    """Return derivatives of C at shifts (B, H, K, 3), of orders 0 … o − 1 along each axis: (B, H, K, o, o, o).

    `half` (B, H, n₁, n₂, n₃/2 + 1) holds the coefficients with l ≥ 0 of a box of that shape, those with l > 0 doubled.
    """
    wave = []  # for each axis (B, H, K, orders, indices): exp(2πi h t) and its derivatives with respect to t
    for axis, (index, length) in enumerate(zip(miller_box(shape, shift.device), half.shape[-3:], strict=True)):
        # The last l of the half box is the empty Nyquist plane, whose sign does not matter.
        frequency = 2 * math.pi * index[:length].to(shift)
        angle = shift[..., axis, None, None] * frequency
        power = torch.stack([(1j * frequency) ** order for order in range(orders)])
        wave.append(torch.polar(torch.ones_like(angle), angle) * power)
    # One axis after the other: the first contraction reads the whole box, the others almost nothing.
    along_a = torch.einsum("bhxyz,bhqix->bhqiyz", half, wave[0])
    along_b = torch.einsum("bhqiyz,bhqjy->bhqijz", along_a, wave[1])
    return torch.einsum("bhqijz,bhqkz->bhqijk", along_b, wave[2]).real
