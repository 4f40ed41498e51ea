"""A search whose starts are atoms with evidence of their own, and trials of a search one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from phaselearn.crystal.observed import Observed
from phaselearn.phasing.solution import Solution, Stage
from phaselearn.phasing.starts import Starts
from phaselearn.solver.multi_start import Choice, MultiStart, StartPlan
from tests.phasing import atoms
from tests.solver.model import CHOICE, PLAN_OF_STARTS, SYMMETRY, crystals, given

LATTICE, NUMBERS, POSITIONS = crystals()
OBSERVED = atoms.observed_to(1.6, LATTICE, NUMBERS, POSITIONS)
WRONG, RIGHT = (atoms.disturbed(OBSERVED, NUMBERS, POSITIONS, degrees) for degrees in (1000, 5))


def with_evidence(phases: Tensor, evidence: float) -> Starts:
    """Return starts, all with the same phases and the same evidence."""

    def starts(observed: Observed, crystals: Sequence[int], seed: int, numbers: range) -> Solution:
        found = given(lambda number, names: phases[names])(observed, crystals, seed, numbers)
        return Solution(found.factors, evidence=torch.full((len(found.factors),), evidence))

    return starts


def stages_of(starts: Starts, counts: Sequence[int] = (1, 2), choice: Choice = CHOICE) -> list[Stage]:
    plan = StartPlan(counts=counts, trusted=9, settled=2.0, fine=None, searches=1, seconds=None)
    search = MultiStart(starts=starts, plan=plan, symmetry=SYMMETRY, choice=choice, refinement=atoms.REFINEMENT, seed=0)
    return list(search.stages(OBSERVED, [0, 1, 2]))


def correlation(stage: Stage) -> Tensor:
    return atoms.correlation(stage.solution.factors, OBSERVED, NUMBERS, POSITIONS)


def test_atoms_that_explain_the_amplitudes_end_the_search_as_they_are() -> None:
    enough = atoms.REFINEMENT.enough
    [only] = stages_of(with_evidence(WRONG, enough))
    assert (correlation(only) < 0.9).all()
    first, *_ = stages_of(with_evidence(WRONG, enough - 1.0))
    kept = atoms.correlation(WRONG, OBSERVED, NUMBERS, POSITIONS)
    assert torch.allclose(correlation(first), kept, atol=1e-3)  # no atoms of their peaks have as much evidence


def test_atoms_of_the_peaks_replace_those_with_less_evidence() -> None:
    *_, last = stages_of(with_evidence(RIGHT, 0.5))
    assert (correlation(last) > 0.99).all()


@pytest.mark.parametrize("evidence", [-torch.inf, torch.nan])
def test_phases_without_evidence_are_trial_phases_like_others(evidence: float) -> None:
    told, plain = stages_of(with_evidence(RIGHT, evidence)), stages_of(given(lambda number, names: RIGHT[names]))
    assert [stage.starts for stage in told] == [stage.starts for stage in plain]
    assert torch.equal(told[-1].solution.factors, plain[-1].solution.factors)


def test_a_trial_is_one_start_of_its_number() -> None:
    asked = []

    def phases(number: int, names: list[int]) -> Tensor:
        asked.append(number)
        return (RIGHT if number == 3 else WRONG)[[0, 1, 2]]

    search = MultiStart(
        starts=given(phases), plan=PLAN_OF_STARTS, symmetry=SYMMETRY, choice=CHOICE, refinement=None, seed=0
    )
    turned = replace(OBSERVED, lattice=LATTICE)
    for number, expected in ((0, WRONG), (3, RIGHT)):
        found = search.trial(turned, number).factors
        assert torch.allclose(found, expected * OBSERVED.mask, atol=1e-3 * float(expected.abs().max()))
    assert asked == [0, 3]
