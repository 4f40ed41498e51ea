"""The solver: what its phases may depend on, and the mistakes that it names."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from phaselearn.crystal.judgement import judge
from phaselearn.crystal.layout import friedel_mate, miller_indices
from phaselearn.crystal.observed import Observed
from phaselearn.errors import UserError
from phaselearn.phasing.starts import RandomStarts
from phaselearn.solver.network_starts import NetworkStarts
from phaselearn.solver.phase_extension import extend
from tests.solver.crystals import factors_of, observed_to, triclinic
from tests.solver.model import CHOICE, COMPLETION, PLAN_OF_STARTS, small_network, solver


def test_axes_in_another_order_give_the_same_map_in_that_order() -> None:
    lattice, numbers, positions = triclinic(3)
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))
    turned = Observed(observed.amplitude.permute(0, 2, 3, 1), observed.mask.permute(0, 2, 3, 1), lattice[:, [1, 2, 0]])
    model = solver()
    first, second = model.solve(observed, [0, 1, 2]), model.solve(turned, [0, 1, 2])
    torch.testing.assert_close(first.factors.permute(0, 2, 3, 1), second.factors, rtol=1e-3, atol=1e-2)


def test_phases_are_those_of_a_real_map_with_the_measured_amplitudes() -> None:
    lattice, numbers, positions = triclinic(3)
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))
    factors = solver().solve(observed, [0, 1, 2]).factors
    torch.testing.assert_close(factors, friedel_mate(factors).conj(), rtol=1e-3, atol=1e-2)
    found, wanted = factors.abs().flatten(1), observed.map_amplitude().flatten(1)
    assert torch.nn.functional.cosine_similarity(found, wanted).min() > 0.999


def test_phases_are_found_in_float32_whatever_the_precision_of_training() -> None:
    lattice, numbers, positions = triclinic(2)
    # Right angles and reflections left out: the work with equivalents, of indices too large for bfloat16, is done.
    lattice = torch.diag_embed(torch.linalg.vector_norm(lattice, dim=-1))
    observed = observed_to(1.2, lattice, factors_of(lattice, numbers, positions))
    kept = observed.mask & (miller_indices("full", observed.mask.shape[-1]) % 2 == 0)
    observed = Observed(observed.amplitude * kept, kept, lattice)
    model = solver(passes=1)
    found = model.solve(observed, [0, 1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        again = model.solve(observed, [0, 1])
    assert torch.equal(found.factors, again.factors)


def test_extension_finds_phases_beyond_the_resolution_and_leaves_the_others() -> None:
    lattice, numbers, positions = triclinic(6, seed=5)
    lattice = lattice + 3 * torch.eye(3)
    true = factors_of(lattice, numbers, positions)
    observed = observed_to(0.9, lattice, true)
    within = observed.cut(1.4)
    start = torch.where(within.mask, true / true.abs() * observed.map_amplitude(), 0)
    before, _ = judge(start, observed, numbers, positions, refine=False)
    everyone, nobody = torch.ones(6, dtype=torch.bool), torch.zeros(6, dtype=torch.bool)
    after, _ = judge(extend(start, observed, everyone, 0.08, 20), observed, numbers, positions, refine=False)
    assert (after.correlation > before.correlation).all()
    assert after.correlation.median() > 0.9
    torch.testing.assert_close(extend(start, observed, nobody, 0.08, 20), start)


@pytest.mark.parametrize(
    ("plan", "changes", "named"),
    [
        (PLAN_OF_STARTS, {"counts": (0,)}, r"search.counts=\[0\]"),
        (PLAN_OF_STARTS, {"counts": (2, 2)}, r"search.counts=\[2, 2\]"),
        (PLAN_OF_STARTS, {"seconds": 0}, "search.seconds=0"),
        (CHOICE, {"refined": 0}, "search.choice.refined=0"),
    ],
)
def test_mistakes_are_named(plan, changes: dict, named: str) -> None:
    with pytest.raises(UserError, match=named):
        replace(plan, **changes)


def test_a_network_in_bfloat16_finds_nearly_the_same_phases() -> None:
    lattice, numbers, positions = triclinic(3)
    observed = observed_to(1.5, lattice, factors_of(lattice, numbers, positions))
    found = [
        NetworkStarts(small_network(), RandomStarts(), COMPLETION, precision)(observed, [0, 1, 2], 0, range(2)).factors
        for precision in ("32-true", "bf16-mixed")
    ]
    assert not torch.equal(*found)
    maps = [torch.fft.ifftn(factors, dim=(-3, -2, -1)).real.flatten(1) for factors in found]
    assert torch.nn.functional.cosine_similarity(*maps).min() > 0.99


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(UserError, match=r"starts\.precision=bf16 is unknown"):
        NetworkStarts(small_network(), RandomStarts(), COMPLETION, "bf16")


def test_a_network_that_improves_no_phases_is_refused() -> None:
    with pytest.raises(UserError, match=r"starts\.network is Linear, which improves no trial phases"):
        solver(torch.nn.Linear(1, 1))


def test_nothing_of_a_solver_is_trained() -> None:
    assert not any(parameter.requires_grad for parameter in solver().parameters())
