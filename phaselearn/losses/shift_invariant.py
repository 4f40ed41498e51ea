"""The least error over all origins and both hands, neither of which |F| determines."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from phaselearn.data.batch import Batch
from phaselearn.errors import UserError, choose
from phaselearn.losses.base import Loss
from phaselearn.losses.correlation import Correlation, unit_deviation
from phaselearn.losses.mse import MeanSquaredError
from phaselearn.losses.shifts import best_alignment, best_shift, cross_correlation, laid, shifted

_AXES = (-3, -2, -1)


class ShiftInvariant(Loss):
    """The minimum of a base loss over all cyclic shifts of the target, found exactly by FFT cross-correlation.

    Both base losses fall as the overlap Σ p(r) q(r − t) grows, so one inverse FFT of the product of the transforms
    ranks all shifts. The base loss is then computed at the best shift, so no digits are lost in a difference of large
    sums. Its gradient is that of the minimum, since the target does not depend on the prediction.

    With a temperature T > 0 the minimum is soft, −T ln mean_t exp(−L_t/T). The soft minimum lies between the minimum
    and the mean over all shifts. It is smooth where two origins fit equally well, and above zero at equality.

    The value has the unit of the base loss: the target's unit squared for `mse`, none for `correlation`.

    Args:
        base: `mse` or `correlation`.
        inversion: take the minimum over both hands, ρ(r) and ρ(−r).
        temperature: T in the unit of the base loss; 0 for the minimum itself.
        subvoxel: allow shifts between voxels. The target is then interpolated by its Fourier series, which is exact
            for maps without Nyquist planes.

    Raises:
        UserError: the base is unknown, the temperature is negative, or a soft minimum between voxels is asked for.
    """

    needs = frozenset()
    _BASES: ClassVar[dict[str, type[Loss]]] = {"mse": MeanSquaredError, "correlation": Correlation}

    def __init__(
        self, base: str = "mse", inversion: bool = True, temperature: float = 0.0, subvoxel: bool = False
    ) -> None:
        super().__init__()
        if temperature < 0:
            raise UserError(
                f"loss.temperature={temperature} is negative: give a number of at least 0, e.g. loss.temperature=0.01"
            )
        if temperature > 0 and subvoxel:
            raise UserError(
                f"loss.subvoxel=true does not go with loss.temperature={temperature}: the soft minimum is over whole "
                "voxels; use loss.temperature=0 or loss.subvoxel=false"
            )
        self.base = self._BASES[choose("loss.base", base, self._BASES)]()
        self.inversion = inversion
        self.temperature = temperature
        self.subvoxel = subvoxel
        self.invariances = self.base.invariances | {"origin"} | ({"inversion"} if inversion else set())
        # The soft minimum at equality depends on the map.
        self.minimum = None if temperature else 0.0

    def compute(self, prediction: Tensor, target: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,)."""
        if self.temperature:
            return self._soft_minimum(prediction, target)
        with torch.no_grad():
            moved = self._best_target(prediction, target)
        return self.base(prediction, moved, batch)

    def _soft_minimum(self, prediction: Tensor, target: Tensor) -> Tensor:
        if isinstance(self.base, Correlation):
            every = 1 - cross_correlation(unit_deviation(prediction), unit_deviation(target), self.inversion)
        else:
            overlap = cross_correlation(prediction, target, self.inversion) / target[0].numel()
            square = prediction.square().mean(_AXES) + target.square().mean(_AXES)
            every = square[:, None, None, None, None] - 2 * overlap
        every = every.flatten(1)
        return self.temperature * (math.log(every.shape[1]) - torch.logsumexp(-every / self.temperature, 1))

    def _best_target(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the target (B, n₁, n₂, n₃) at the origin and in the hand that overlap most with the prediction."""
        if self.subvoxel:
            return laid(target, best_alignment(target, prediction, refine=True, inversion=self.inversion))
        return shifted(target, *best_shift(cross_correlation(prediction, target, self.inversion)))
