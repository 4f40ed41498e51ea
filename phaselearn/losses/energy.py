"""Energy distance, which grows smoothly with the distance by which density is misplaced."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from phaselearn.crystal.lattice import inverse_d_squared, volume
from phaselearn.crystal.layout import Shape, miller_box, shape_of
from phaselearn.data.batch import Batch
from phaselearn.errors import UserError
from phaselearn.losses.base import Loss
from phaselearn.losses.relative import relative_difference

_AXES = (1, 2, 3)


class EnergyDistance(Loss):
    """2 E|X − Y|^β − E|X − X′|^β − E|Y − Y′|^β on the torus, in Å^β.

    Densities are shares of the target's electrons. In Fourier space the distance is a weighted sum of squares,
    Σ_{h≠0} c s^(−3−β) |Δ(h)|² / V. Δ is the transform of the difference, and −c s^(−3−β) is that of |r|^β in three
    dimensions (Gel'fand and Shilov, Generalized Functions 1, II.3.3; c = 1/(2π³) for β = 1). So one FFT is enough, and
    the loss is smooth everywhere. The cost of an atom that is misplaced by d grows as d² within the atom's width and as
    d^β beyond it. F(000) is left out, which gives the periodic sum of |r|^β a neutralising background.

    Args:
        exponent: β, above 0 and below 2; 1 is the energy distance of Székely and Rizzo.

    Raises:
        UserError: the exponent is outside these bounds.
    """

    invariances = frozenset({"offset"})
    needs = frozenset({"lattice"})

    def __init__(self, exponent: float = 1.0) -> None:
        super().__init__()
        if not 0 < exponent < 2:
            raise UserError(
                f"loss.exponent={exponent} is out of range: give a number above 0 and below 2, e.g. loss.exponent=1.0"
            )
        self.exponent = exponent

    def compute(self, prediction: Tensor, target: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,)."""
        lattice = batch["lattice"].to(prediction.dtype)
        spectrum = torch.fft.rfftn(relative_difference(prediction, target), dim=_AXES)
        power = spectrum.real.square() + spectrum.imag.square()
        return (power * self._weights(lattice, shape_of(prediction))).flatten(1).sum(1)

    def _weights(self, lattice: Tensor, shape: Shape) -> Tensor:
        """Return the kernel on the half box (B, n₁, n₂, n₃/2 + 1), in Å^β."""
        size = shape[2]
        h, k, l = miller_box(shape, lattice.device)  # noqa: E741
        square = inverse_d_squared(lattice, h, k, l[: size // 2 + 1])
        square[:, 0, 0, 0] = torch.inf
        beta = self.exponent
        factor = -(math.pi ** (-beta - 1.5)) * math.gamma((3 + beta) / 2) / math.gamma(-beta / 2)
        # The half box holds one of each pair of planes l and −l.
        twice = torch.full((size // 2 + 1,), 2.0, dtype=lattice.dtype, device=lattice.device)
        twice[0] = 1.0
        if size % 2 == 0:
            twice[-1] = 1.0
        return factor * square ** (-(3 + beta) / 2) * twice / volume(lattice)[:, None, None, None]
