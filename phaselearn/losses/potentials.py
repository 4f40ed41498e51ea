"""Dual potentials of entropic optimal transport on the torus: Sinkhorn's iteration in the log domain, accelerated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from phaselearn.losses.torus import TorusKernel

_AXES = (-3, -2, -1)
_HISTORY = 6  # number of earlier iterates that Anderson's acceleration combines


@dataclass(frozen=True)
class Problem:
    """Two masses, the cost of transporting one to the other, and how strictly all of it must be transported.

    Attributes:
        kernel: exp(−C/ε), with the cost C and the regularisation ε.
        first: (B, n₁, n₂, n₃) logarithm of the mass whose potential is f; −∞ where there is no mass.
        second: (B, n₁, n₂, n₃) logarithm of the mass whose potential is g; −∞ where there is no mass.
        damping: κ = ρ/(ρ + ε) of unbalanced transport; 1 for balanced transport.
    """

    kernel: TorusKernel
    first: Tensor
    second: Tensor
    damping: float

    def take(self, rows: Tensor) -> Problem:
        """Return the problem for some rows of the batch."""
        return Problem(self.kernel.take(rows), self.first[rows], self.second[rows], self.damping)

    def transform(self, log_mass: Tensor, other: Tensor) -> Tensor:
        """Return κ·min^ε_y [C(x − y) − g(y)] in Å², the soft minimum weighted by a mass, which is half an iteration."""
        epsilon = self.kernel.epsilon
        return -self.damping * epsilon * self.kernel.log_sum(log_mass + other / epsilon)


# Takes a problem and f; returns the next f and its potential g.
Step = Callable[[Problem, Tensor], tuple[Tensor, Tensor]]


def sinkhorn_step(problem: Problem, f: Tensor) -> tuple[Tensor, Tensor]:
    """Return f and g after one whole Sinkhorn iteration."""
    g = problem.transform(problem.first, f)
    return problem.transform(problem.second, g), g


def symmetric_step(problem: Problem, f: Tensor) -> tuple[Tensor, Tensor]:
    """Return the averaged potential, twice, for a mass with itself: each step halves the error (Feydy et al. 2019)."""
    averaged = (f + problem.transform(problem.first, f)) / 2
    return averaged, averaged


def potentials(
    step: Step, problem: Problem, start: Tensor, tolerance: float, most: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Iterate a step until the transport plan has converged, with Anderson's acceleration.

    The next f is the combination of earlier ones with the least residual T(f) − f, where T is the step (Walker and Ni,
    SIAM J. Numer. Anal. 49, 1715, 2011). Each sample stops on its own.

    Args:
        step: T, `sinkhorn_step` or `symmetric_step`.
        problem: masses and kernel of the batch.
        start: (B, n₁, n₂, n₃) first f in Å².
        tolerance: share of the mass by which the plan's first marginal may be wrong.
        most: largest number of iterations.

    Returns:
        The potentials f and g (B, n₁, n₂, n₃) in Å², and the share of the mass that the plan still misplaces (B,).
    """
    shape = start.shape
    results = [start.clone(), start.clone()]
    errors = torch.full_like(start[:, 0, 0, 0], torch.inf)
    rows = torch.arange(len(start), device=start.device)
    f, weight, best = start, problem.first.flatten(1).exp(), errors
    history: list[tuple[Tensor, Tensor]] = []
    for iteration in range(1, most + 1):
        update, g = step(problem, f)
        residual = (update - f).flatten(1)
        error = (residual.abs() * weight).sum(1) / problem.kernel.epsilon
        # Written so that a sample whose error is NaN also ends.
        going = (error > tolerance) & (iteration < most)
        if not going.all():
            ended = rows[~going]
            results[0][ended], results[1][ended], errors[ended] = update[~going], g[~going], error[~going]
            if not going.any():
                break
        plain = update.flatten(1)
        # Where the error has grown, the plain iteration is safer: it always descends.
        f = torch.where((error > 2 * best)[:, None], plain, _accelerate(plain, residual, weight, history))
        history = [*history[1 - _HISTORY :], (plain, residual)]
        best = torch.minimum(best, error)
        if not going.all():
            keep = going.nonzero()[:, 0]
            rows, f, best, weight, problem = rows[keep], f[keep], best[keep], weight[keep], problem.take(keep)
            history = [(earlier[keep], its[keep]) for earlier, its in history]
        f = f.view(-1, *shape[1:])
    return results[0], results[1], errors


def _accelerate(plain: Tensor, residual: Tensor, weight: Tensor, history: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the next f (B, V): T(f) without the part of the residual that earlier pairs (T(f), residual) explain."""
    if not history:
        return plain
    steps = torch.stack([residual - earlier for _, earlier in history], 1)
    moves = torch.stack([plain - earlier for earlier, _ in history], 1)
    weighted = steps * weight[:, None]
    gram = weighted @ steps.mT
    # Steps become parallel near the solution.
    ridge = 1e-10 * gram.diagonal(dim1=-2, dim2=-1).amax(-1) + torch.finfo(gram.dtype).tiny
    gram = gram + ridge[:, None, None] * torch.eye(len(history), dtype=gram.dtype, device=gram.device)
    share = torch.linalg.solve(gram, weighted @ residual[..., None])
    return plain - (share * moves).sum(1)
