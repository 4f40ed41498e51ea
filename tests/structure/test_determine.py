"""Space group, atoms and elements found again from disturbed phases, wherever the origin is and of whichever hand."""

from __future__ import annotations

import numpy as np
import pytest

from phaselearn.structure.candidate import Candidate
from phaselearn.structure.determine import determine
from tests.structure.samples import Crystal, random_crystal

ORGANIC = ("S", "O", "O", "N", "C", "C", "C")
CRYSTALS = (
    random_crystal("P -1", (6.1, 7.2, 8.3, 81.0, 97.0, 104.0), ORGANIC, 1),
    random_crystal("P 1 21/c 1", (7.1, 6.2, 9.3, 90.0, 107.0, 90.0), ORGANIC, 2),
    random_crystal("P 1 21/n 1", (7.1, 6.2, 9.3, 90.0, 101.0, 90.0), ORGANIC, 3),
    random_crystal("P 21 21 21", (6.2, 7.3, 10.4, 90.0, 90.0, 90.0), ORGANIC, 4),
    random_crystal("C 1 2/c 1", (11.0, 6.5, 9.0, 90.0, 112.0, 90.0), ("S", "O", "N", "C"), 5, {"Zn": (0, 0.23, 0.25)}),
    random_crystal("I 1 2/a 1", (11.0, 6.5, 9.0, 90.0, 95.0, 90.0), ("S", "O", "N", "C"), 6),
    random_crystal("P n a 21", (9.2, 8.1, 7.3, 90.0, 90.0, 90.0), ORGANIC, 7),
    random_crystal("P 21 n b", (7.2, 8.1, 8.3, 90.0, 90.0, 90.0), ("Cl", "O", "C", "C"), 8),
    random_crystal("R -3 c:H", (9.0, 9.0, 14.0, 90.0, 90.0, 120.0), ("O",), 9, {"Ca": (0, 0, 0), "C": (0, 0, 0.25)}),
    random_crystal("R -3 c:R", (7.0, 7.0, 7.0, 62.0, 62.0, 62.0), ("O",), 21, {"Fe": (0, 0, 0)}),
    random_crystal("I 41/a:1", (8.0, 8.0, 11.0, 90.0, 90.0, 90.0), ("O",), 11, {"W": (0, 0, 0.5), "Ca": (0, 0, 0)}),
    random_crystal("I 41/a:2", (8.0, 8.0, 11.0, 90.0, 90.0, 90.0), ("S", "O"), 12),
    random_crystal("F m -3 m", (5.64, 5.64, 5.64, 90.0, 90.0, 90.0), (), 13, {"Na": (0, 0, 0), "Cl": (0.5, 0.5, 0.5)}),
)


def all_atoms(candidate: Candidate) -> tuple[list[str], np.ndarray]:
    """Elements and positions of the cell."""
    elements, positions = [], []
    for atom in candidate.atoms:
        images: list[np.ndarray] = []
        for image in candidate.space_group.rotations @ np.array(atom.xyz) + candidate.space_group.translations:
            if all(np.abs((image - other) - np.round(image - other)).max() > 1e-3 for other in images):
                images.append(image)
        assert len(images) == atom.multiplicity
        elements += [atom.element] * len(images)
        positions += images
    return elements, np.array(positions)


@pytest.mark.parametrize("crystal", CRYSTALS, ids=lambda crystal: crystal.symbol)
def test_space_group_atoms_and_elements_are_found_again(crystal: Crystal) -> None:
    d_min = 0.6 if crystal.symbol == "F m -3 m" else 0.85
    box, merged = crystal.phased(d_min, 25.0, 5), crystal.merged(d_min, 0.03, 6)
    best, *others = determine(box, crystal.cell, merged, crystal.contents())
    assert best.space_group.symbol == crystal.symbol.replace("/a:1", "/a:2")
    assert best.name == "a"
    assert [other.name for other in others] == [*"bcdefgh"][: len(others)]
    assert best.fit.r1 < 0.05
    assert crystal.found(*all_atoms(best), tolerance=0.1) == 1.0
    elements, _ = all_atoms(best)
    assert len(elements) == len(crystal.atoms()[0])


def test_elements_alone_are_enough() -> None:
    crystal = random_crystal("P 1 21/c 1", (7.1, 6.2, 9.3, 90.0, 107.0, 90.0), ("Cl", "Cl", "O", "O", "C", "C", "C"), 2)
    box, merged = crystal.phased(0.85, 20.0, 5), crystal.merged(0.85, 0.03, 6)
    best = determine(box, crystal.cell, merged, {"Cl": 0, "O": 0, "C": 0, "H": 0})[0]
    assert best.space_group.number == 14
    assert crystal.found(*all_atoms(best), tolerance=0.1) == 1.0


def test_an_empty_map_shows_no_structure() -> None:
    crystal = CRYSTALS[0]
    box = 0 * crystal.phased(0.85, 20.0, 5)
    assert determine(box, crystal.cell, crystal.merged(0.85, 0.03, 6), {}) == []
