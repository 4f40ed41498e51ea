"""Dual potentials of entropic optimal transport on the torus: Sinkhorn's iteration in the log domain, accelerated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from phaselearn.losses.torus import TorusKernel

_AXES = (-3, -2, -1)
_HISTORY = 6  # earlier iterates that Anderson's acceleration combines


@dataclass(frozen=True)
class Problem:
    """Two masses, what it costs to carry one to the other, and how strictly all of it must be carried.

    Attributes:
        kernel: of C and ε.
        first: (B, N, N, N) logarithm of the mass at which f lives; −∞ where there is none.
        second: (B, N, N, N) the same at which g lives.
        damping: κ = ρ/(ρ + ε) of unbalanced transport; 1 for balanced.
    """

    kernel: TorusKernel
    first: Tensor
    second: Tensor
    damping: float

    def take(self, rows: Tensor) -> Problem:
        """Return the problem of some rows of the batch."""
        return Problem(self.kernel.take(rows), self.first[rows], self.second[rows], self.damping)

    def transform(self, log_mass: Tensor, other: Tensor) -> Tensor:
        """Return κ·min^ε_y [C(x − y) − g(y)] in Å², the soft minimum weighted by a mass: half an iteration."""
        epsilon = self.kernel.epsilon
        return -self.damping * epsilon * self.kernel.log_sum(log_mass + other / epsilon)


# From a problem and f: the next f, and the potential g that belongs to it.
Step = Callable[[Problem, Tensor], tuple[Tensor, Tensor]]


def sinkhorn_step(problem: Problem, f: Tensor) -> tuple[Tensor, Tensor]:
    """One whole iteration of Sinkhorn."""
    g = problem.transform(problem.first, f)
    return problem.transform(problem.second, g), g


def symmetric_step(problem: Problem, f: Tensor) -> tuple[Tensor, Tensor]:
    """For a mass with itself: averaging halves the error in each iteration (Feydy et al. 2019)."""
    averaged = (f + problem.transform(problem.first, f)) / 2
    return averaged, averaged


def potentials(
    step: Step, problem: Problem, start: Tensor, tolerance: float, most: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the potentials f and g in Å², and the share of the mass that each sample's plan still misplaces.

    Anderson's acceleration of f ← T(f), T one step (Walker and Ni, SIAM J. Numer. Anal. 49, 1715, 2011): the next f is
    the combination of earlier ones whose residual T(f) − f is least. A sample stops by itself.

    Args:
        step: T.
        problem: of the batch.
        start: (B, N, N, N) first f in Å².
        tolerance: share of the mass by which the plan's first marginal may be wrong.
        most: iterations at most.
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
        # Written so that a sample with a value that is no number ends, too.
        going = (error > tolerance) & (iteration < most)
        if not going.all():
            ended = rows[~going]
            results[0][ended], results[1][ended], errors[ended] = update[~going], g[~going], error[~going]
            if not going.any():
                break
        plain = update.flatten(1)
        # Where the error has grown the plain iteration, which always descends, is better.
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
    """Return the next f (B, V): T(f) less what earlier (T(f), residual) explain of the residual."""
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
