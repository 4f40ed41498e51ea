"""The centring of a cell in any axes, and the rotations that keep it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from phaselearn.measured.cells import Cell
from phaselearn.measured.laue import choose_laue_class
from phaselearn.measured.laue_classes import laue_candidates
from phaselearn.measured.merging import merge
from phaselearn.structure.absences import centring_of
from phaselearn.structure.space_group import SpaceGroup
from tests.measured.samples import intensities, observed, point_group, reflections_within

CUBE: Cell = (8, 8, 8, 90, 90, 90)
GROUPS: dict[str, Cell] = {
    "P 4/m": CUBE,
    "I 41/a :2": (8, 8, 11, 90, 90, 90),
    "F d -3 m :2": CUBE,
    "C 1 2/c 1": (9, 8, 9, 90, 100, 90),
    "R -3 :H": (7, 7, 12, 90, 90, 120),
}


@pytest.mark.parametrize("symbol", GROUPS)
def test_the_centring_is_that_of_the_space_group(symbol: str) -> None:
    cell = GROUPS[symbol]
    hkl = reflections_within(cell, 1.0)
    merged = merge(observed(hkl, intensities(hkl, cell, symbol), cell), point_group(symbol))
    assert {tuple(row) for row in np.round(centring_of(merged), 6).tolist()} == {
        tuple(row) for row in np.round(SpaceGroup.named(symbol).centrings, 6).tolist()
    }


def test_a_vector_is_a_centring_only_with_its_images_under_the_laue_group() -> None:
    """Where the list has them, the reflections that k forbids are absent; their images, which h forbids, are not."""
    hkl = reflections_within(CUBE, 1.0)
    merged = merge(observed(hkl, intensities(hkl, CUBE, "P 4/m"), CUBE), point_group("P 4/m"))
    absent = merged.hkl[:, 1] % 2 == 1
    assert (merged.hkl[~absent, 0] % 2 == 1).any()
    half = replace(merged, intensity=np.where(absent, 0.0, merged.intensity))
    assert len(centring_of(half)) == 1
    assert len(centring_of(replace(half, rotations=point_group("P 1 2/m 1")))) == 2


def test_a_laue_class_that_moves_the_centring_is_none_even_where_its_equivalents_agree() -> None:
    """A C-centred monoclinic crystal, orthorhombic but for weak layers l = 2n + 1: half of each pair is absent."""
    a, b, c = 14.561, 4.073, 8.165
    cell: Cell = (a, b, c, 90, float(np.degrees(np.arccos(-c / (2 * a)))), 90)
    [orthorhombic] = [one for one in laue_candidates(cell) if len(one.rotations) == 8]
    hkl = reflections_within(cell, 1.0)
    images = [intensities(hkl @ rotation, cell, "C 1 2/m 1") for rotation in orthorhombic.proper]
    intensity = np.where(hkl[:, 2] % 2, 0.02 * images[0], np.mean(images, axis=0))
    choice = choose_laue_class(observed(hkl, intensity, cell, noise=0.005))
    assert choice.chosen.laue_class.name == "2/m along b"
