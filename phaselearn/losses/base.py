"""The base class of losses: one value per sample, in float32 at any training precision, with declared invariances."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from phaselearn.data.batch import Batch


class Loss(nn.Module):
    """A loss between predicted and target densities.

    A subclass defines `compute`. It declares its properties as class attributes, or sets them in `__init__`. The
    contract suite checks that they are true, and that every invariance is declared.

    Attributes:
        invariances: changes of the prediction that leave the value unchanged, among `origin` (cyclic shifts),
            `inversion` (ρ(−r)), `scale` (positive factors) and `offset` (added constants).
        minimum: the least value, which the loss has where prediction and target are equal; None where it depends on
            the map and is at least 0.
        needs_target: whether the loss compares with a target density; a loss that does not trains on intensities alone.
        needs: the parts of the batch that the loss reads; None for all.
        periodic: whether the loss wraps maps around their edges. Such a loss takes only maps in the fractional frame,
            which are one cell of a crystal.
    """

    invariances: frozenset[str] = frozenset()
    minimum: float | None = 0.0
    needs_target: bool = True
    needs: frozenset[str] | None = None
    periodic: bool = True

    def forward(self, prediction: Tensor, target: Tensor | None, batch: Batch) -> Tensor:
        """Return the loss of each sample.

        Args:
            prediction: (B, n₁, n₂, n₃) predicted density.
            target: (B, n₁, n₂, n₃) true density in the same unit; None where the data have none.
            batch: the crystals; losses in Å read their `lattice`.

        Returns:
            (B,), float64 for float64 input, else float32.

        Raises:
            ValueError: the loss needs a target, and there is none.
        """
        precision = torch.float64 if prediction.dtype == torch.float64 else torch.float32
        # FFTs and sums over thousands of voxels lose too many digits in half precision, and some do not exist in it.
        with torch.autocast(prediction.device.type, enabled=False):
            if target is None:
                return self.compute_without_target(prediction.to(precision), batch)
            return self.compute(prediction.to(precision), target.to(precision), batch)

    @abstractmethod
    def compute(self, prediction: Tensor, target: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,) of maps in float32 or float64."""

    def compute_without_target(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,) where there is no target; for losses that do not need one.

        Raises:
            ValueError: the loss needs a target.
        """
        raise ValueError(f"{type(self).__name__} needs a target density, and the batch has none")

    def set_epoch(self, epoch: int) -> None:
        """Tell the loss, and the losses inside it, which epoch begins; scheduled weights follow it."""
        for child in self.children():
            if isinstance(child, Loss):
                child.set_epoch(epoch)
