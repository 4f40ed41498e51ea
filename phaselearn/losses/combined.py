"""A weighted sum of losses, whose weights may change during training."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import TypedDict

from torch import Tensor, nn

from phaselearn.data.batch import Batch
from phaselearn.errors import UserError
from phaselearn.losses.base import Loss

Weight = float | Mapping[int, float]


class Term(TypedDict):
    """One summand: a loss and its weight, a number or {epoch: number}."""

    loss: Loss
    weight: Weight


class Combined(Loss):
    """Σ weight × loss, in whatever unit the weights give it.

    Args:
        terms: losses and their weights, by name. A weight is a number of at least 0, or a mapping from epochs to such
            numbers: it is linear between them, and constant before the first and after the last.

    Raises:
        UserError: there is no term, or a weight is not such a number.
    """

    def __init__(self, terms: Mapping[str, Term]) -> None:
        super().__init__()
        if not terms:
            raise UserError(
                "loss.terms is empty: name at least one, e.g. `phaselearn train loss=combined loss.terms.mse.weight=1`"
            )
        self._terms = {name: term["loss"] for name, term in terms.items()}
        self.losses = nn.ModuleDict(self._terms)  # moves their tensors between devices
        self._schedules = {name: _schedule(name, term["weight"]) for name, term in terms.items()}
        losses = list(self._terms.values())
        self.invariances = frozenset.intersection(*(loss.invariances for loss in losses))
        self.needs_target = any(loss.needs_target for loss in losses)
        self.periodic = any(loss.periodic for loss in losses)
        needs = [loss.needs for loss in losses if loss.needs is not None]
        self.needs = frozenset().union(*needs) if len(needs) == len(losses) else None
        self.weights: dict[str, float] = {}
        self.set_epoch(0)

    def compute(self, prediction: Tensor, target: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,)."""
        return self._sum(prediction, lambda loss: loss(prediction, target, batch))

    def compute_without_target(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,).

        Raises:
            ValueError: a term needs a target.
        """
        return self._sum(prediction, lambda loss: loss(prediction, None, batch))

    def _sum(self, prediction: Tensor, value: Callable[[Loss], Tensor]) -> Tensor:
        total = prediction.new_zeros(len(prediction))
        for name, loss in self._terms.items():
            # A term whose weight is zero is not computed.
            if self.weights[name]:
                total = total + self.weights[name] * value(loss)
        return total

    def set_epoch(self, epoch: int) -> None:
        """Set the weights to those of an epoch."""
        self.weights = {name: _at(schedule, epoch) for name, schedule in self._schedules.items()}
        for loss in self._terms.values():
            loss.set_epoch(epoch)
        minima = [self.weights[name] * loss.minimum for name, loss in self._terms.items() if loss.minimum is not None]
        self.minimum = sum(minima) if len(minima) == len(self._terms) else None


def _schedule(name: str, weight: Weight) -> list[tuple[int, float]]:
    points = dict(weight) if isinstance(weight, Mapping) else {0: weight}
    good = all(
        isinstance(epoch, int) and isinstance(value, int | float) and 0 <= value < math.inf
        for epoch, value in points.items()
    )
    if not points or not good:
        raise UserError(
            f"loss.terms.{name}.weight={weight} is not a weight: give a number of at least 0, or such numbers by "
            f"epoch, e.g. 'loss.terms.{name}.weight={{0: 1.0, 20: 0.1}}'"
        )
    return sorted((epoch, float(value)) for epoch, value in points.items())


def _at(schedule: list[tuple[int, float]], epoch: int) -> float:
    for (start, first), (end, last) in pairwise(schedule):
        if start <= epoch < end:
            return first + (last - first) * (epoch - start) / (end - start)
    return schedule[0][1] if epoch < schedule[0][0] else schedule[-1][1]
