"""A weighted sum of losses whose weights may change as training goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from phaselearn.errors import UserError
from phaselearn.losses.base import Batch, Loss

Weight = float | Mapping[int, float]


class Combined(Loss):
    """Σ weight × loss; in whatever unit the weights give it.

    Args:
        terms: by name, each with its `loss` and its `weight`: a number, or numbers at some epochs, between which
            it is linear and outside of which it is constant.
    """

    def __init__(self, terms: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        if not terms:
            raise UserError(
                "loss.terms is empty: name at least one, e.g. `python train.py loss=combined loss.terms.mse.weight=1`"
            )
        self.losses = nn.ModuleDict({name: term["loss"] for name, term in terms.items()})
        self._schedules = {name: _schedule(name, term["weight"]) for name, term in terms.items()}
        self.weights: dict[str, float] = {}
        self.set_epoch(0)

    @property
    def invariances(self) -> frozenset[str]:
        """What all terms are blind to."""
        return frozenset.intersection(*(loss.invariances for loss in self.losses.values()))

    @property
    def needs_target(self) -> bool:
        """Whether any term does."""
        return any(loss.needs_target for loss in self.losses.values())

    @property
    def needs(self) -> frozenset[str] | None:
        """What any term reads of the batch; None where one may read anything."""
        needs = [loss.needs for loss in self.losses.values()]
        return None if None in needs else frozenset().union(*needs)

    @property
    def periodic(self) -> bool:
        """Whether any term is."""
        return any(loss.periodic for loss in self.losses.values())

    @property
    def minimum(self) -> float | None:
        """The sum of the terms' minima, where all of them are known."""
        minima = {name: loss.minimum for name, loss in self.losses.items()}
        return None if None in minima.values() else sum(self.weights[name] * value for name, value in minima.items())

    def compute(self, prediction: Tensor, target: Tensor | None, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,)."""
        # A term whose weight is zero is not computed.
        return sum(
            (self.weights[name] * loss(prediction, target, batch))
            for name, loss in self.losses.items()
            if self.weights[name]
        ) + prediction.new_zeros(len(prediction))

    def set_epoch(self, epoch: int) -> None:
        """Take the weights of an epoch."""
        self.weights = {name: _at(schedule, epoch) for name, schedule in self._schedules.items()}
        for loss in self.losses.values():
            loss.set_epoch(epoch)


def _schedule(name: str, weight: Weight) -> list[tuple[int, float]]:
    points = dict(weight) if isinstance(weight, Mapping) else {0: weight}
    good = all(
        isinstance(epoch, int) and isinstance(value, int | float) and 0 <= value < math.inf
        for epoch, value in points.items()
    )
    if not points or not good:
        raise UserError(
            f"loss.terms.{name}.weight={weight}: a number of at least 0, or such numbers by epoch, "
            f"e.g. 'loss.terms.{name}.weight={{0: 1.0, 20: 0.1}}'"
        )
    return sorted((epoch, float(value)) for epoch, value in points.items())


def _at(schedule: list[tuple[int, float]], epoch: int) -> float:
    for (start, first), (end, last) in pairwise(schedule):
        if start <= epoch < end:
            return first + (last - first) * (epoch - start) / (end - start)
    return schedule[0][1] if epoch < schedule[0][0] else schedule[-1][1]
