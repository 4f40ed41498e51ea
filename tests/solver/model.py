"""A small solver and starts for it, for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from phaselearn.crystal.layout import resized
from phaselearn.crystal.observed import Observed
from phaselearn.losses.shift_invariant import ShiftInvariant
from phaselearn.models.unrolled_network import UnrolledNetwork
from phaselearn.phasing.charge_flipping import ChargeFlipping
from phaselearn.phasing.flipped_starts import FlippedStarts
from phaselearn.phasing.restarts import Restarts
from phaselearn.phasing.solution import Solution
from phaselearn.phasing.starts import RandomStarts, Starts
from phaselearn.solver.multi_start import Choice, StartPlan, Symmetry
from phaselearn.solver.network_starts import Completion, NetworkStarts
from phaselearn.solver.solver import Solver
from phaselearn.testing.batches import DEFINITION
from tests.phasing import atoms
from tests.phasing.plan import PLAN

PLAN_OF_STARTS = StartPlan(counts=(1,), trusted=1, settled=0.95, fine=None, searches=1, seconds=None)
COMPLETION = Completion(finest=1.2, keep=True, density_share=0.08, cycles=10)
SYMMETRY = Symmetry(least=0.5, passes=0)
CHOICE = Choice(refined=1, trust=0.5)


def small_network(**changes: Any) -> UnrolledNetwork:
    torch.manual_seed(0)
    options = {"width": 8, "hidden": 4, "cycles": 4, "weights": None}
    network = UnrolledNetwork(**options | changes)
    # A fresh network's last layer is zero: it would hand every phase on as it is.
    torch.nn.init.normal_(network.last.weight, std=0.3)
    return network.eval()


def solver(
    network: torch.nn.Module | None = None, begin: Starts | None = None, refinement: Any = None, **changes: Any
) -> Solver:
    """Return a solver whose network begins with random phases, with some attributes of its parts changed."""

    def changed(part: Any) -> Any:
        return replace(part, **{field.name: changes[field.name] for field in fields(part) if field.name in changes})

    completion = changed(COMPLETION if begin is not None else replace(COMPLETION, keep=False))
    return Solver(
        starts=NetworkStarts(
            small_network() if network is None else network, begin or RandomStarts(), completion, "32-true"
        ),
        plan=changed(PLAN_OF_STARTS),
        symmetry=changed(SYMMETRY),
        choice=changed(CHOICE),
        refinement=refinement,
        seed=0,
        loss=ShiftInvariant("correlation"),
        definition=DEFINITION,
    ).eval()


def unchanging() -> UnrolledNetwork:
    """Return a network that hands every phase on as it is."""
    network = small_network()
    torch.nn.init.zeros_(network.last.weight)
    return network


def flipped_starts() -> FlippedStarts:
    polishing = replace(PLAN.polishing, cycles=2, final_cycles=4)
    plan = replace(PLAN, restarts=1, rounds=1, check_every=20, settled=0.98, polishing=polishing)
    # Ten cycles: more let rounding, which depends on the batch, grow.
    method = ChargeFlipping(10, (0.7, 1.0), 0.2, 0.7, 0.2)
    return FlippedStarts(method=method, iterations=10, plan=plan)


def searches() -> Restarts:
    """Return starts that are whole searches, by two iterations in turn."""
    starts = flipped_starts()
    return Restarts(methods=[starts.method, replace(starts.method, weak_share=0.4)], plan=starts.plan)


def given(phases: Callable[[int, list[int]], Tensor]) -> Starts:
    """Return starts whose trial phases follow from their number and the crystals' numbers."""

    def starts(observed: Observed, crystals: Sequence[int], seed: int, numbers: range) -> Solution:
        each = [resized(phases(number, list(crystals)), observed.shape) for number in numbers]
        return Solution(torch.stack(each, 1).flatten(0, 1))

    return starts


def crystals() -> tuple[Tensor, Tensor, Tensor]:
    """Return crystals with edges a ≤ b ≤ c: the solver asks for trial phases on axes in this order."""
    lattice, numbers, positions = atoms.crystals()
    order = lattice.norm(dim=-1).argsort(1)
    lattice = lattice.gather(1, order[:, :, None].expand_as(lattice))
    return lattice, numbers, positions.gather(2, order[:, None].expand_as(positions))
