"""Symmetry that the atoms have and a map hides: the higher group is taken where it explains the data as well."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from phaselearn import solve
from phaselearn.determination.missed_symmetry import has_missed_symmetry, is_higher_and_fits
from phaselearn.measured.reflection_data import ReflectionData
from phaselearn.structure.candidate import Candidate
from phaselearn.structure.space_group import SpaceGroup
from tests.structure.samples import Crystal

HEUSLER = Crystal(
    "F m -3 m", (8.88, 8.88, 8.88, 90, 90, 90), ("Sn", "K", "K"), np.array([[0, 0, 0], [0.5] * 3, [0.25] * 3])
)
# Titanium is 0.27 Å from its place in P 4/m m m.
POLAR = Crystal(
    "P 4 m m",
    (3.99, 3.99, 4.03, 90, 90, 90),
    ("Ba", "Ti", "O", "O"),
    np.array([[0, 0, 0], [0.5, 0.5, 0.567], [0.5, 0.5, -0.073], [0.5, 0, 0.4685]]),
)


def measured(crystal: Crystal, d_min: float, seed: int = 0) -> ReflectionData:
    """Return calculated intensities with errors of 3 %."""
    hkl = crystal.reflections(d_min)
    intensity = np.abs(crystal.factors(hkl)) ** 2
    sigma = 0.03 * intensity + 0.01 * intensity.mean()
    return ReflectionData(
        hkl=hkl.astype(np.int32),
        intensity=intensity + sigma * np.random.default_rng(seed).normal(size=len(hkl)),
        sigma=sigma,
        experiment=crystal.experiment(),
        source="calculated",
    )


@pytest.fixture(scope="module")
def cubic() -> Candidate:
    return best_of(measured(HEUSLER, 1.35, seed=0))


@pytest.fixture(scope="module")
def polar() -> list[Candidate]:
    return list(solve(measured(POLAR, 0.7), seconds=30).candidates)


def best_of(data: ReflectionData) -> Candidate:
    best = solve(data, seconds=30).best
    assert best is not None
    return best


@pytest.mark.parametrize("seed", [1, 2])  # the map of the second shows no inversion
def test_the_group_of_the_atoms_is_found_whatever_the_map_shows(seed: int) -> None:
    best = best_of(measured(HEUSLER, 1.35, seed))
    assert best.space_group.number == 225
    assert best.fit.r1 < 0.01


def test_atoms_in_a_subgroup_have_missed_symmetry_and_the_group_is_higher_and_fits(cubic: Candidate) -> None:
    [tetrahedral] = [atom for atom in cubic.atoms if atom.multiplicity == 8]
    first, second = (
        replace(tetrahedral, label=label, xyz=(place, place, place), multiplicity=4)
        for label, place in (("K8", 0.25), ("K9", 0.75))
    )
    others = tuple(atom for atom in cubic.atoms if atom is not tetrahedral)
    subgroup = replace(cubic, space_group=SpaceGroup.named("F -4 3 m"), atoms=(*others, first, second))
    assert has_missed_symmetry(subgroup)
    assert not has_missed_symmetry(cubic)
    assert is_higher_and_fits([cubic], [subgroup])
    assert not is_higher_and_fits([subgroup], [cubic])
    assert not is_higher_and_fits([], [cubic])


def test_atoms_far_from_a_higher_group_stay_in_their_own(polar: list[Candidate]) -> None:
    best, *others = polar
    assert best.space_group.number == 99
    assert not has_missed_symmetry(best)
    centred = [other for other in others if other.space_group.number == 123]
    assert not is_higher_and_fits(centred, [best])
