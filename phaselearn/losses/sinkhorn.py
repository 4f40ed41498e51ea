"""Sinkhorn divergence: the squared distance, in Å², over which density must be moved to become the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from phaselearn.crystal.layout import Shape, shape_of
from phaselearn.data.batch import Batch
from phaselearn.errors import UserError
from phaselearn.losses.base import Loss
from phaselearn.losses.potentials import Problem, potentials, sinkhorn_step, symmetric_step
from phaselearn.losses.torus import TorusKernel, squared_distance

_AXES = (1, 2, 3)
_WIDEST = 4.0  # Å²; annealing starts from this ε, at which a few iterations are enough in any cell
_ROUGH = 0.1  # tolerance before the last ε
_OWN = 1e-3  # share of the tolerance that self-potentials are allowed, since they must cancel at equality
_LEAST_MASS = 0.01  # as a share of the target's; a prediction with less is filled up with a flat map


class Sinkhorn(Loss):
    """Debiased entropic optimal transport between densities on the torus, in Å².

    S = OT_ε(a, b) − ½ OT_ε(a, a) − ½ OT_ε(b, b) is the Sinkhorn divergence of Feydy et al. (AISTATS 2019). It is 0 at
    equality and positive elsewhere. A unit of mass costs the squared minimum-image distance in the crystal's own
    metric, so moving all density by d costs d², whatever ε is.

    The positive parts of the maps are transported, each scaled to unit mass. Negative density, which band-limited maps
    have in their ripples, cannot be transported. It is compared with the target's voxel by voxel, relative to the
    target's mass, at `negative_cost`. With a reach, masses are shares of the target's mass and may differ. Density that
    is farther away than about the reach is then destroyed and created instead of moved, at a cost of reach² (Séjourné
    et al., arXiv:1910.12958).

    The kernel depends on r − r′ only, so half an iteration is two FFTs, in float64. These lose potentials that range
    over more than 23 ε; in that case, terms of similar size are summed slice by slice (`TorusKernel`). The gradient is
    that of the dual at the optimum, by the envelope theorem, and not that of the iterations.

    Args:
        epsilon: ε in Å², which blurs over √(ε/2) Å. A smaller ε is closer to unregularised transport, and slower. The
            least value allowed for the grid is in `smallest_epsilon`.
        annealing: ratio of successive ε on the way down from 4 Å²; 1 starts at ε itself.
        tolerance: share of the mass that the plan may misplace; the error of the loss is much smaller.
        max_iterations: largest number of iterations at each ε.
        reach: largest distance in Å over which density is moved; null for any distance.
        negative_cost: cost in Å² of a unit of negative density that only one of the maps has.

    Raises:
        UserError: a value is outside these bounds.
    """

    needs = frozenset({"lattice"})
    # {voxels along the longest axis: ε in Å²}. With at least this ε, the iterations end within 1 % of the solution,
    # even if the prediction is another crystal (`benchmarks/losses.py --smallest-epsilon`). Finer grids have the bound
    # of the last.
    smallest_epsilon: ClassVar[Mapping[int, float]] = {10: 0.02, 20: 0.05, 40: 0.1}

    def __init__(
        self,
        epsilon: float = 1.0,
        annealing: float = 0.25,
        tolerance: float = 1e-5,
        max_iterations: int = 500,
        reach: float | None = None,
        negative_cost: float = 1.0,
    ) -> None:
        super().__init__()
        if epsilon <= 0 or tolerance <= 0 or max_iterations < 1:
            raise UserError(
                f"loss.epsilon={epsilon}, loss.tolerance={tolerance}, loss.max_iterations={max_iterations}: each must "
                "be above 0, e.g. loss.epsilon=0.5"
            )
        if not 0 < annealing <= 1:
            raise UserError(
                f"loss.annealing={annealing} is out of range: above 0 and at most 1, e.g. loss.annealing=0.5"
            )
        if (reach is not None and reach <= 0) or negative_cost < 0:
            raise UserError(
                f"loss.reach={reach}, loss.negative_cost={negative_cost}: the reach must be above 0 Å or null, the "
                "cost at least 0, e.g. loss.reach=2.0"
            )
        self.epsilon = epsilon
        self.annealing = annealing
        self.tolerance = tolerance
        self.max_iterations = max_iterations
        self.reach = reach
        self.negative_cost = negative_cost
        # Only a reach and negative density are measured in shares of the target's mass.
        self.invariances = frozenset({"scale"}) if reach is None and not negative_cost else frozenset()

    def compute(self, prediction: Tensor, target: Tensor, batch: Batch) -> Tensor:
        """Return the loss of each sample (B,).

        Raises:
            UserError: ε is too small for the grid.
        """
        self._check_epsilon(shape_of(prediction))
        # The positive part has slope 1 at zero, so that an empty map can grow.
        positive = torch.where(prediction >= 0, prediction, 0.0)
        wanted = target.clamp_min(0)
        scale = wanted.sum(_AXES, keepdim=True)
        scale = torch.where(scale > 0, scale, 1.0)
        first, second = self._mass(positive / scale), self._mass(wanted / scale)
        with torch.no_grad():
            value, slope = self._divergence(first.double(), second.double(), batch["lattice"].double())
        # The gradient in the prediction's mass is `slope`; the value is that of the dual.
        linear = (first * slope.to(first)).sum(_AXES)
        transport = value.to(first) + (linear - linear.detach())
        negative = ((prediction - positive) - (target - wanted)).abs().sum(_AXES) / scale[:, 0, 0, 0]
        return transport + self.negative_cost * negative

    def _check_epsilon(self, shape: Shape) -> None:
        allowed = [smallest for measured, smallest in self.smallest_epsilon.items() if max(shape) <= measured]
        smallest = min(allowed) if allowed else max(self.smallest_epsilon.values(), default=0.0)
        if self.epsilon < smallest:
            box = " × ".join(map(str, shape))
            raise UserError(
                f"loss.epsilon={self.epsilon} is too small for {box} voxels, where results are accurate from "
                f"{smallest} Å² on: try `phaselearn train loss=sinkhorn loss.epsilon={smallest}`"
            )

    def _mass(self, share: Tensor) -> Tensor:
        """Return the mass in each voxel, from shares of the target's mass (B, n₁, n₂, n₃)."""
        voxels = share[0].numel()
        if self.reach is not None:
            return share + 1e-9 / voxels
        total = share.sum(_AXES, keepdim=True)
        share = share / total.clamp_min(_LEAST_MASS)
        return share + (1 - total / total.clamp_min(_LEAST_MASS)) / voxels

    def _divergence(self, first: Tensor, second: Tensor, lattice: Tensor) -> tuple[Tensor, Tensor]:
        """Return the divergence (B,) and its slope in the first mass (B, n₁, n₂, n₃), float64."""
        cost = squared_distance(lattice, shape_of(first))
        rho = None if self.reach is None else self.reach**2
        log_first, log_second = first.log(), second.log()
        own = torch.zeros_like(first)
        beyond = torch.zeros_like(first)
        for epsilon in self._epsilons():
            last = epsilon == self.epsilon
            kernel, damping = TorusKernel(cost, epsilon), 1.0 if rho is None else rho / (rho + epsilon)
            tolerance = self.tolerance if last else _ROUGH
            strictness = _OWN if last else 0.1
            own, _, _ = potentials(
                symmetric_step,
                Problem(kernel, log_first, log_first, damping),
                own,
                tolerance * strictness,
                self.max_iterations,
            )
            # The difference from the self-potential hardly depends on ε, and is zero at equality.
            f, g, _ = potentials(
                sinkhorn_step,
                Problem(kernel, log_first, log_second, damping),
                own + beyond,
                tolerance,
                self.max_iterations,
            )
            beyond = f - own
        theirs, _, _ = potentials(
            symmetric_step,
            Problem(kernel, log_second, log_second, damping),
            g,
            self.tolerance * _OWN,
            self.max_iterations,
        )
        if rho is None:
            return (first * (f - own)).sum(_AXES) + (second * (g - theirs)).sum(_AXES), f - own
        return _unbalanced(first, second, f, g, own, theirs, self.epsilon, rho)

    def _epsilons(self) -> list[float]:
        """Return the ε of all stages, from large to small; the last one is `epsilon`."""
        stages = [self.epsilon]
        while self.annealing < 1 and stages[0] / self.annealing <= _WIDEST:
            stages.insert(0, stages[0] / self.annealing)
        return stages


def _unbalanced(
    first: Tensor, second: Tensor, f: Tensor, g: Tensor, own: Tensor, theirs: Tensor, epsilon: float, rho: float
) -> tuple[Tensor, Tensor]:
    """Return the unbalanced divergence, as the value of its dual, and its slope in the first mass."""
    across, own, theirs = torch.exp(-f / rho), torch.exp(-own / rho), torch.exp(-theirs / rho)
    value = first * (rho * (own - across) + epsilon * (own / 2 - across))
    value = value + second * (rho * (theirs - torch.exp(-g / rho)) + epsilon * theirs / 2)
    return value.sum(_AXES), (rho + epsilon) * (own - across)
