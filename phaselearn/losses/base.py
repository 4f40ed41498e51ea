"""What every loss shares: one value a sample, in float32 whatever the training's precision, declared invariances."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

Batch = dict[str, Tensor]


class Loss(nn.Module):
    """A loss between predicted and target densities.

    A loss writes `compute`. Class attributes declare what holds of it, and the contract suite checks both that the
    declared holds and that the undeclared does not:

    Attributes:
        invariances: changes of the prediction that leave the value unchanged, among `origin` (cyclic shifts),
            `inversion` (ρ(−r)), `scale` (positive factors) and `offset` (added constants).
        minimum: the value at equality, below which there is none; None where it depends on the map (at least 0).
        needs_target: whether a target density is used; without, a loss trains on intensities alone.
        needs: what `compute` reads of the batch; None for anything.
        periodic: whether it takes a map for one cell of a crystal, wrapped around its edges, which only maps in the
            fractional frame are.
    """

    invariances: ClassVar[frozenset[str]] = frozenset()
    minimum: ClassVar[float | None] = 0.0
    needs_target: ClassVar[bool] = True
    needs: ClassVar[frozenset[str] | None] = None
    periodic: ClassVar[bool] = True

    def forward(self, prediction: Tensor, target: Tensor | None, batch: Batch) -> Tensor:
        """Return the loss of each sample.

        Args:
            prediction: (B, N, N, N) predicted density.
            target: (B, N, N, N) true density in the same unit; None where the data have none.
            batch: the batch of `PairDataModule`; losses in Å read its `lattice`.

        Returns:
            (B,), float64 for float64 input, else float32.
        """
        precision = torch.float64 if prediction.dtype == torch.float64 else torch.float32
        # FFTs and sums over thousands of voxels lose too much in half precision, and some do not exist in it.
        with torch.autocast(prediction.device.type, enabled=False):
            return self.compute(prediction.to(precision), None if target is None else target.to(precision), batch)

    @abstractmethod
    def compute(self, prediction: Tensor, target: Tensor | None, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,) of maps in float32 or float64."""

    def set_epoch(self, epoch: int) -> None:
        """Tell the loss, and the losses inside it, which epoch begins; schedules follow it."""
        for child in self.children():
            if isinstance(child, Loss):
                child.set_epoch(epoch)
