"""Dual potentials of entropic optimal transport on the torus: Sinkhorn's iteration in the log domain, accelerated."""

from __future__ import annotations

import torch
from torch import Tensor

from phaselearn.losses.torus import TorusKernel

_AXES = (-3, -2, -1)
_HISTORY = 6  # earlier iterates that Anderson's acceleration combines
_SELF_TOLERANCE = 1e-8
_SELF_ITERATIONS = 200


def potential(kernel: TorusKernel, log_mass: Tensor, other: Tensor, damping: float) -> Tensor:
    """Return κ·min^ε_y [C(x − y) − g(y)] in Å², the soft minimum weighted by a mass: half of Sinkhorn's iteration.

    Args:
        kernel: of C and ε.
        log_mass: (B, N, N, N), −∞ where empty.
        other: g (B, N, N, N) in Å².
        damping: κ = ρ/(ρ + ε) of unbalanced transport; 1 for balanced.
    """
    return -damping * kernel.epsilon * kernel.log_sum(log_mass + other / kernel.epsilon)


def self_potential(kernel: TorusKernel, mass: Tensor, start: Tensor, damping: float) -> Tensor:
    """Return the potential of a mass (B, N, N, N) with itself; averaging halves the error in each iteration."""
    own, log_mass = start, mass.log()
    for _ in range(_SELF_ITERATIONS):
        update = potential(kernel, log_mass, own, damping)
        error = ((update - own).abs() * mass).sum(_AXES) / kernel.epsilon
        own = (own + update) / 2
        if not (error > _SELF_TOLERANCE).any():
            break
    return own


def potentials(
    kernel: TorusKernel, first: Tensor, second: Tensor, start: Tensor, damping: float, tolerance: float, most: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the potentials f and g of two masses, and how many iterations each sample took.

    Anderson's acceleration of f ← T(f), one whole iteration of Sinkhorn (Walker and Ni, SIAM J. Numer. Anal. 49, 1715,
    2011): the next f is the combination of earlier ones whose residual T(f) − f is least. A sample stops by itself.

    Args:
        kernel: of C and ε.
        first: (B, N, N, N) mass at which f lives.
        second: (B, N, N, N) mass at which g lives.
        start: (B, N, N, N) first f in Å².
        damping: see `potential`.
        tolerance: share of the mass by which the plan's first marginal may be wrong.
        most: iterations at most.
    """
    shape = first.shape
    results = [start.clone(), torch.empty_like(start)]
    iterations = torch.zeros(len(first), dtype=torch.long, device=first.device)
    rows = torch.arange(len(first), device=first.device)
    log_first, log_second, weight = first.log(), second.log(), first.flatten(1).sqrt()
    f, best = start, torch.full((len(first),), torch.inf, dtype=first.dtype, device=first.device)
    history: list[tuple[Tensor, Tensor]] = []
    for iteration in range(1, most + 1):
        g = potential(kernel, log_first, f, damping)
        update = potential(kernel, log_second, g, damping)
        residual = (update - f).flatten(1)
        error = (residual.abs() * weight.square()).sum(1) / kernel.epsilon
        # Written so that a sample with a value that is no number ends, too.
        going = error > tolerance
        ended = rows[~going] if iteration < most else rows
        results[0][ended], results[1][ended] = (update, g) if iteration == most else (update[~going], g[~going])
        iterations[ended] = iteration
        if not going.any():
            break
        accelerated = _accelerate(f.flatten(1), residual, weight, history)
        # Where the error has grown the plain iteration, which always descends, is better.
        f = torch.where((error > 2 * best)[:, None], update.flatten(1), accelerated)
        history = [*history[1 - _HISTORY :], ((update.flatten(1) - residual), residual)]
        best = torch.minimum(best, error)
        if not going.all():
            keep = going.nonzero()[:, 0]
            rows, f, best, weight = rows[keep], f[keep], best[keep], weight[keep]
            log_first, log_second, kernel = log_first[keep], log_second[keep], kernel.take(keep)
            history = [(earlier[keep], its[keep]) for earlier, its in history]
        f = f.view(-1, *shape[1:])
    return results[0], results[1], iterations


def _accelerate(f: Tensor, residual: Tensor, weight: Tensor, history: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the next f (B, V): f + residual less what earlier (f, residual) explain of the residual."""
    plain = f + residual
    if not history:
        return plain
    steps = torch.stack([residual - earlier for _, earlier in history], 1)
    moves = torch.stack([plain - (before + earlier) for before, earlier in history], 1)
    weighted = steps * weight[:, None]
    gram = weighted @ weighted.mT
    # Steps become parallel near the solution.
    ridge = 1e-10 * gram.diagonal(dim1=-2, dim2=-1).amax(-1) + torch.finfo(gram.dtype).tiny
    gram = gram + ridge[:, None, None] * torch.eye(len(history), dtype=gram.dtype, device=gram.device)
    share = torch.linalg.solve(gram, weighted @ (residual * weight)[..., None])
    return plain - (share * moves).sum(1)
