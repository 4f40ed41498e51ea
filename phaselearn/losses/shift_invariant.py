"""The least error over all origins and both hands: what |F| cannot see is not punished."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from phaselearn.errors import UserError
from phaselearn.losses.base import Batch, Loss
from phaselearn.losses.correlation import Correlation, unit_deviation
from phaselearn.losses.mse import MeanSquaredError
from phaselearn.losses.shifts import best_alignment, best_shift, cross_correlation, laid, shifted

_AXES = (-3, -2, -1)


class ShiftInvariant(Loss):
    """The minimum of a base loss over all N³ cyclic shifts of the target, exact by FFT cross-correlation.

    Both base losses fall as the overlap Σ p(r) q(r − t) grows, so one inverse FFT of the product of the transforms
    ranks all shifts. The base loss is then taken at the best one: its gradient is that of the minimum (the target
    does not depend on the prediction), and no digits are lost to the difference of large sums.

    With a temperature T > 0 the minimum is soft, −T ln mean_t exp(−L_t/T): at least the minimum, at most the mean
    over all shifts, and smooth where two origins fit equally well; at equality it is above zero.

    In the unit of the base loss (target's unit squared for `mse`, none for `correlation`).

    Args:
        base: `mse` or `correlation`.
        inversion: also over both hands, ρ(r) and ρ(−r).
        temperature: T in the unit of the base loss; 0 for the minimum itself.
        subvoxel: shifts between voxels too, the target being interpolated by its Fourier series (exact for maps
            without Nyquist planes).
    """

    needs: ClassVar[frozenset[str] | None] = frozenset()
    _BASES: ClassVar[dict[str, type[Loss]]] = {"mse": MeanSquaredError, "correlation": Correlation}

    def __init__(
        self, base: str = "mse", inversion: bool = True, temperature: float = 0.0, subvoxel: bool = False
    ) -> None:
        super().__init__()
        if base not in self._BASES:
            raise UserError(
                f"loss.base={base} is unknown: allowed are {', '.join(self._BASES)}; for any other loss "
                "use `loss=aligned`"
            )
        if temperature < 0:
            raise UserError(f"loss.temperature={temperature}: at least 0, e.g. loss.temperature=0.01")
        if temperature > 0 and subvoxel:
            raise UserError(
                f"loss.subvoxel=true with loss.temperature={temperature}: the soft minimum is over whole voxels, "
                "use loss.temperature=0 or loss.subvoxel=false"
            )
        self.base = self._BASES[base]()
        self.inversion = inversion
        self.temperature = temperature
        self.subvoxel = subvoxel

    @property
    def invariances(self) -> frozenset[str]:
        """What the base loss is blind to, and the origin, and with `inversion` the hand."""
        return self.base.invariances | {"origin"} | ({"inversion"} if self.inversion else set())

    @property
    def minimum(self) -> float | None:
        """The soft minimum at equality depends on the map."""
        return None if self.temperature else 0.0

    def compute(self, prediction: Tensor, target: Tensor | None, batch: Batch) -> Tensor:
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
        """Return the target (B, N, N, N) at the origin and hand at which it overlaps most with the prediction."""
        if self.subvoxel:
            return laid(target, best_alignment(target, prediction, refine=True, inversion=self.inversion))
        return shifted(target, *best_shift(cross_correlation(prediction, target, self.inversion)))
