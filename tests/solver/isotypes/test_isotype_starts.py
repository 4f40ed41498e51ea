"""Starts by the phases of isotypes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from phaselearn.benchmark.contenders import composed_option
from phaselearn.commands.options import config_directory
from phaselearn.commands.plain_config import plain_values
from phaselearn.crystal.judgement import judge
from phaselearn.crystal.layout import resized
from phaselearn.crystal.observed import Observed
from phaselearn.data.structures import Crystal
from phaselearn.errors import UserError
from phaselearn.phasing.solution import Solution
from phaselearn.phasing.starts import RandomStarts, Starts
from phaselearn.solver.isotypes import isotype_starts
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
        options = {"tolerance": 0.1, "least": 0.6, "most": 3, "steps": 16, "reflections_per_b": 15, "largest_r": 0.2}
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


def test_isotypes_of_more_atoms_than_can_be_fitted_in_time_are_left_out(
    starts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    observed, others = observed_of(isotypic(crystals()[5])), Recorded()
    monkeypatch.setattr(isotype_starts, "_MOST_ATOMS", 6)
    starts(others)(observed, [1], 0, range(1))
    monkeypatch.setattr(isotype_starts, "_MOST_ATOMS", 5)
    assert others.asked == []
    starts(others)(observed, [1], 0, range(1))
    assert others.asked == [([1], 0, range(1))]


@pytest.mark.parametrize(
    "changes",
    [
        *({"tolerance": 0.0}, {"tolerance": 1.0}, {"least": 0.0}, {"least": 1.0}, {"most": 0}, {"steps": -1}),
        *({"reflections_per_b": 0}, {"largest_r": -0.1}, {"largest_r": 1.1}),
    ],
)
def test_numbers_out_of_range_are_refused_in_one_line(starts: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"starts\.") as refused:
        starts(RandomStarts(), **changes)
    assert "\n" not in str(refused.value)


def of_the_package(others: Starts) -> IsotypeStarts:
    """Return the option `isotypes` with the settings that it comes with, and other trial phases."""
    node = plain_values(composed_option(config_directory(), "starts", "isotypes"))
    return IsotypeStarts(**{key: node[key] for key in node if key != "_target_"} | {"others": others})


FACE_CENTRES = np.array([[0.0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def rock_salt(conventional: bool) -> Crystal:
    """Return NaCl in its cubic cell of four lattice points, or in the primitive one."""
    cubic = 5.64 * np.eye(3)
    if not conventional:
        primitive = FACE_CENTRES[1:]
        return Crystal("", primitive @ cubic, np.array([11, 17]), np.array([[0.1] * 3, [0.6] * 3]), "", 225)
    positions = np.concatenate((FACE_CENTRES, FACE_CENTRES + 0.5)) + 0.1
    return Crystal("", cubic, np.repeat([11, 17], 4), positions % 1.0, "", 225)


@pytest.mark.parametrize("d_min", [0.8, 1.2])
@pytest.mark.parametrize("conventional", [False, True], ids=["primitive", "conventional"])
@pytest.mark.parametrize("listed", [False, True], ids=["absences left out", "absences listed"])
def test_those_of_the_package_solve_rock_salt(d_min: float, conventional: bool, listed: bool) -> None:
    crystal = rock_salt(conventional)
    hkl, factors = reflections(crystal, d_min)
    kept = (np.abs(factors) > 1e-6) | listed
    observed = Observed.from_reflections(
        torch.from_numpy(hkl[kept]), torch.from_numpy(np.abs(factors[kept])).float(), torch.from_numpy(crystal.lattice)
    )
    others = Recorded()
    solution = of_the_package(others)(observed, [0], 0, range(1))
    assert others.asked == []
    numbers, positions = torch.from_numpy(crystal.numbers)[None], torch.from_numpy(crystal.positions)[None]
    judged, _ = judge(solution.factors, observed, numbers, positions)
    assert judged.correlation > 0.98


@pytest.mark.parametrize("d_min", [1.2, 1.6, 2.0])
def test_amplitudes_that_belong_to_no_crystal_have_no_isotype(d_min: float) -> None:
    """With many atoms for few reflections, those of some crystal would always fit."""
    made = of_the_package(Recorded())
    for seed, crystal in enumerate([*crystals(6), rock_salt(True)]):
        hkl, factors = reflections(crystal, d_min)
        order = np.random.default_rng(seed).permutation(len(hkl))
        observed = Observed.from_reflections(
            torch.from_numpy(hkl), torch.from_numpy(np.abs(factors[order])).float(), torch.from_numpy(crystal.lattice)
        )
        evidence = made(observed, [0], 0, range(1)).evidence
        assert evidence is not None
        assert torch.isneginf(evidence).all()


def test_equal_or_absent_amplitudes_have_no_isotype_and_the_scale_changes_nothing() -> None:
    hkl, factors = reflections(rock_salt(False), 0.8)
    lattice = torch.from_numpy(rock_salt(False).lattice)
    made = of_the_package(Recorded())

    def evidence(amplitude: np.ndarray) -> float:
        observed = Observed.from_reflections(torch.from_numpy(hkl), torch.from_numpy(amplitude).float(), lattice)
        found = made(observed, [0], 0, range(1)).evidence
        assert found is not None
        return float(found)

    assert evidence(np.zeros(len(hkl))) == evidence(np.ones(len(hkl))) == -np.inf
    plain = evidence(np.abs(factors))
    assert plain > 5
    assert [evidence(scale * np.abs(factors)) for scale in (1e-30, 1e30)] == pytest.approx([plain, plain], rel=1e-2)
