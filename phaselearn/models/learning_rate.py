"""Schedules of the learning rate, its factor at each share of the training done, and its value in a resumed run."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def cosine(share: float) -> float:
    """Return a factor that falls from 1 to 0 along half a cosine (Loshchilov & Hutter, ICLR 2017, without restarts).

    Args:
        share: the share of the training that is done, from 0 to 1.
    """
    return (1 + math.cos(math.pi * share)) / 2


class Configured:
    """The configuration of an optimiser and its schedule; a checkpoint brings the values of an earlier run along.

    Args:
        optimizer: the optimiser, as it was built.
        scheduler: the schedule of its rates; None where they are constant.
    """

    def __init__(self, optimizer: Optimizer, scheduler: LambdaLR | None) -> None:
        self._optimizer = optimizer
        self._scheduler = scheduler
        self._groups = [
            {name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups
        ]

    def restore(self) -> None:
        """Set the optimiser to its configuration again; where a schedule goes on, its factor of the next step stays."""
        for group, own in zip(self._optimizer.param_groups, self._groups, strict=True):
            first = group.get("initial_lr")
            factor = group["lr"] / first if first else 1.0
            group.update(own)
            if self._scheduler is not None:
                group["lr"] = own["initial_lr"] * factor
        if self._scheduler is not None:
            self._scheduler.base_lrs = [own["initial_lr"] for own in self._groups]
