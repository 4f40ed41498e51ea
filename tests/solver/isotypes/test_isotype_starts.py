"""Starts by the phases of isotypes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from phaselearn.crystal.judgement import judge
from phaselearn.crystal.layout import resized
from phaselearn.crystal.observed import Observed
from phaselearn.data.structures import Crystal
from phaselearn.errors import UserError
from phaselearn.phasing.solution import Solution
from phaselearn.phasing.starts import RandomStarts, Starts
from phaselearn.solver.isotypes.isotype_starts import IsotypeStarts
from tests.solver.isotypes.crystals import crystals, isotypic, known, reflections


class Recorded:
    """Random phases, with an expected correlation, and a record of what was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[int], int, range]] = []

    def __call__(self, observed: Observed, crystals: Sequence[int], seed: int, numbers: range) -> Solution:
        self.asked.append((list(crystals), seed, numbers))
        found = RandomStarts()(observed, crystals, seed, numbers)
        return Solution(found.factors, expected_correlation=torch.full((len(found.factors),), 0.25))


@pytest.fixture
def starts(tmp_path: Path) -> Any:
    known().write(tmp_path / "known.npz")

    def made(others: Starts, **changes: Any) -> IsotypeStarts:
        options = {"tolerance": 0.1, "most": 3, "finest": 1.2, "steps": 16, "largest_r": 0.2}
        return IsotypeStarts(others=others, known=str(tmp_path / "known.npz"), **options | changes)

    return made


def observed_of(*some: Crystal) -> Observed:
    parts = []
    for crystal in some:
        hkl, factors = reflections(crystal)
        parts.append(
            Observed.from_reflections(
                torch.from_numpy(hkl), torch.from_numpy(np.abs(factors)).float(), torch.from_numpy(crystal.lattice)
            )
        )
    return Observed.joined(parts)


def unlike() -> Crystal:
    return Crystal(
        "unlike", np.diag([4.0, 4.5, 14.0]), np.array([6, 9, 14]), np.random.default_rng(0).random((3, 3)), "", 1
    )


def test_the_first_start_has_the_phases_of_the_isotype_and_the_others_those_of_another_source(starts: Any) -> None:
    crystal = isotypic(crystals()[5])
    others = Recorded()
    observed = observed_of(crystal)
    solution = starts(others)(observed, [8], 3, range(4))
    assert others.asked == [([8], 3, range(1, 4))]
    assert (solution.factors[1:] == RandomStarts()(observed, [8], 3, range(1, 4)).factors).all()
    assert solution.expected_correlation is not None
    assert solution.expected_correlation.tolist() == [0, 0.25, 0.25, 0.25]
    assert solution.evidence is not None
    assert solution.evidence[0] > 5
    assert torch.isneginf(solution.evidence[1:]).all()
    numbers, positions = torch.from_numpy(crystal.numbers)[None], torch.from_numpy(crystal.positions)[None]
    judged, _ = judge(solution.factors[:1], observed, numbers, positions.float(), refine=False)
    assert judged.correlation > 0.95


def test_crystals_of_a_batch_have_their_own_isotypes_or_none(starts: Any) -> None:
    batch = [isotypic(crystals()[2]), unlike(), isotypic(crystals()[9])]
    others = Recorded()
    together = starts(others)(observed_of(*batch), [0, 1, 2], 0, range(2))
    assert others.asked == [([1], 0, range(2)), ([0, 2], 0, range(1, 2))]
    for row, crystal in enumerate(batch):
        own = observed_of(crystal)
        alone = starts(Recorded())(own, [row], 0, range(2)).factors
        for start in range(2):
            factors = resized(together.factors[2 * row + start][None], own.shape)
            assert torch.allclose(factors * own.mask, alone[start] * own.mask, atol=1e-3)


def test_later_starts_are_those_of_the_other_source_alone(starts: Any) -> None:
    others = Recorded()
    starts(others)(observed_of(isotypic(crystals()[5])), [1], 0, range(2, 6))
    assert others.asked == [([1], 0, range(2, 6))]


@pytest.mark.parametrize("changes", [{"largest_r": 0.0}, {"tolerance": 1e-6}])
def test_none_are_taken_where_none_is_wanted_or_like_enough(starts: Any, changes: dict[str, Any]) -> None:
    others = Recorded()
    starts(others, **changes)(observed_of(isotypic(crystals()[5])), [1], 0, range(3))
    assert others.asked == [([1], 0, range(3))]


@pytest.mark.parametrize(
    "changes", [{"tolerance": 0.0}, {"tolerance": 1.0}, {"most": 0}, {"finest": 0.0}, {"steps": -1}]
)
def test_numbers_out_of_range_are_refused_in_one_line(starts: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"starts\.") as refused:
        starts(RandomStarts(), **changes)
    assert "\n" not in str(refused.value)


def test_those_of_the_package_solve_rock_salt() -> None:
    lattice = 2.8 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    crystal = Crystal("", lattice, np.array([11, 17]), np.array([[0.1, 0.1, 0.1], [0.6, 0.6, 0.6]]), "", 225)
    others = Recorded()
    made = IsotypeStarts(others=others, known=None, tolerance=0.08, most=6, finest=2.0, steps=16, largest_r=0.2)
    observed = observed_of(crystal)
    solution = made(observed, [0], 0, range(1))
    assert others.asked == []
    numbers, positions = torch.from_numpy(crystal.numbers)[None], torch.from_numpy(crystal.positions)[None].float()
    judged, _ = judge(solution.factors, observed, numbers, positions)
    assert judged.correlation > 0.98
