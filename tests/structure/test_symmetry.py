"""Operations of phased structure factors: gemmi's space groups as oracle, and errors that averaging lessens."""

from __future__ import annotations

import numpy as np
import pytest

from phaselearn.measured.cells import lattice_of
from phaselearn.structure.phased import PhasedFactors
from phaselearn.structure.point_groups import PointGroup
from phaselearn.structure.space_group import SpaceGroup
from phaselearn.structure.space_groups import hypotheses
from phaselearn.structure.symmetry import Agreement
from tests.structure.samples import Crystal, random_crystal

ATOMS = ("S", "O", "N", "C")
CRYSTALS = (
    random_crystal("P 1", (6.2, 7.3, 8.4, 91.0, 101.0, 95.0), (*ATOMS, "C"), 1),
    random_crystal("P 1 21/n 1", (7.1, 6.2, 9.3, 90.0, 101.0, 90.0), ATOMS, 2),
    random_crystal("C 1 2/c 1", (11.0, 6.5, 9.0, 90.0, 112.0, 90.0), ATOMS, 3),
    random_crystal("P n a 21", (9.2, 8.1, 7.3, 90.0, 90.0, 90.0), ATOMS, 4),
    random_crystal("P b c a", (9.2, 10.1, 11.3, 90.0, 90.0, 90.0), ATOMS, 5),
    random_crystal("P 41 21 2", (7.2, 7.2, 13.3, 90.0, 90.0, 90.0), ATOMS[1:], 6),
    random_crystal("R -3:H", (10.0, 10.0, 9.0, 90.0, 90.0, 120.0), ATOMS[1:], 7),
    random_crystal("P a -3", (10.2, 10.2, 10.2, 90.0, 90.0, 90.0), ("O", "S"), 8),
)


@pytest.mark.parametrize("crystal", CRYSTALS, ids=lambda crystal: crystal.symbol)
def test_every_operation_agrees_at_its_own_translation_alone(crystal: Crystal) -> None:
    group = SpaceGroup.named(crystal.symbol)
    points = PointGroup.with_inversion(crystal.rotations)
    phased = PhasedFactors.of_box(crystal.phased(1.0, 0.0, 3))
    agreement = Agreement.of(phased, points.rotations, lattice_of(crystal.cell))
    own = {rotation.tobytes() for rotation in group.rotations}
    for number, rotation in enumerate(points.rotations):
        best = agreement.peaks[number][1][0]
        assert (best > 0.97) == (rotation.tobytes() in own)


@pytest.mark.parametrize("crystal", CRYSTALS, ids=lambda crystal: crystal.symbol)
def test_the_averaged_factors_have_the_symmetry_and_smaller_errors(crystal: Crystal) -> None:
    exact, rough = (PhasedFactors.of_box(crystal.phased(1.0, error, 3)) for error in (0.0, 30.0))
    merged = crystal.merged(1.0, 0.01, 4)
    lattice = lattice_of(crystal.cell)
    true = SpaceGroup.named(crystal.symbol)
    trials = hypotheses(rough, merged, lattice)
    found = next(trial for trial in trials if trial.group.symbol == true.symbol)
    assert all(
        trial.evidence.agreement < found.evidence.agreement - 0.1
        for trial in trials
        if trial.group.order > found.group.order
    )
    averaged = rough.moved(found.origin).averaged(found.group)
    for rotation, translation in zip(found.group.rotations, found.group.translations, strict=True):
        waves = np.exp(2j * np.pi * (averaged.hkl @ translation))
        np.testing.assert_allclose(averaged.at(averaged.hkl @ rotation) * waves, averaged.values, atol=1e-6)
    truth = exact.moved(found.origin)

    def error_of(factors: PhasedFactors) -> float:
        return float(np.average(np.abs(np.angle(factors.values * truth.values.conj())), weights=np.abs(truth.values)))

    if found.group.order > 1:
        assert error_of(averaged) < 0.8 * error_of(rough.moved(found.origin))


def test_the_subgroups_of_a_cube_are_ninety_eight() -> None:
    # The number of subgroups of m-3m, known from group theory.
    points = PointGroup.with_inversion(SpaceGroup.named("F m -3 m").rotations)
    assert len(points.rotations) == 48
    subgroups = list(points.subgroups(range(48)))
    assert len(subgroups) == len(set(subgroups)) == 98
    sizes = sorted({len(group) for group in subgroups})
    assert sizes == [1, 2, 3, 4, 6, 8, 12, 16, 24, 48]
    for group in subgroups:
        members = sorted(group)
        assert set(points.table[np.ix_(members, members)].ravel().tolist()) == set(members)
