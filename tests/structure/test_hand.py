"""The hand: found from Friedel mates where f″ is large, and told as unknown where it is not."""

from __future__ import annotations

import numpy as np
import pytest

from phaselearn.measured.merging import merge
from phaselearn.measured.reflection_data import Experiment, ReflectionData
from phaselearn.structure.determine import determine
from tests.structure.samples import Crystal, random_crystal
from tests.structure.test_determine import all_atoms

COPPER, MOLYBDENUM = 1.54184, 0.71073


def listed(crystal: Crystal, wavelength: float, noise: float) -> ReflectionData:
    hkl = crystal.reflections(0.9)
    intensity = 2.0 * np.abs(crystal.factors(hkl, wavelength)) ** 2
    sigma = noise * intensity + 0.001 * intensity.mean()
    noisy = intensity + sigma * np.random.default_rng(0).normal(size=len(hkl))
    experiment = Experiment(cell=crystal.cell, wavelength=wavelength)
    return ReflectionData(hkl=hkl.astype(np.int32), intensity=noisy, sigma=sigma, experiment=experiment, source="test")


@pytest.mark.parametrize("seed", [3, 4])  # of one hand and of the other
@pytest.mark.parametrize("symbol", ["P 21 21 21", "P 41", "F d d 2"])
def test_the_right_hand_is_found_whichever_the_phases_have(symbol: str, seed: int) -> None:
    cell = {"P 41": (7.1, 7.1, 9.4, 90.0, 90.0, 90.0), "F d d 2": (15.0, 17.0, 6.3, 90.0, 90.0, 90.0)}
    crystal = random_crystal(symbol, cell.get(symbol, (6.2, 7.3, 10.4, 90.0, 90.0, 90.0)), ("Br", "O", "C", "C"), 4)
    data = listed(crystal, COPPER, 0.01)
    merged = merge(data, crystal.rotations)
    box = crystal.phased(0.9, 15.0, seed)
    best = determine(box, merged, crystal.experiment(wavelength=COPPER), unmerged=data)[0]
    assert best.flack is not None
    assert abs(best.flack[0]) < max(4 * best.flack[1], 0.05)
    assert best.hand.startswith("determined")
    assert crystal.found(*all_atoms(best), tolerance=0.1, hands=(1,)) == 1.0
    # A chiral group has a handed partner: P4₁, not P4₃.
    assert best.space_group.symbol == symbol


def test_light_atoms_do_not_tell_their_hand() -> None:
    crystal = random_crystal("P 21 21 21", (6.2, 7.3, 10.4, 90.0, 90.0, 90.0), ("O", "N", "C", "C"), 4)
    data = listed(crystal, MOLYBDENUM, 0.05)
    merged = merge(data, crystal.rotations)
    box = crystal.phased(0.9, 15.0, 1)
    best = determine(box, merged, crystal.experiment(wavelength=MOLYBDENUM), unmerged=data)[0]
    assert best.hand.startswith("not determined")


def test_a_crystal_with_an_inversion_has_no_hand() -> None:
    crystal = random_crystal("P 1 21/c 1", (7.1, 6.2, 9.3, 90.0, 107.0, 90.0), ("Br", "O", "C"), 2)
    data = listed(crystal, COPPER, 0.01)
    merged = merge(data, crystal.rotations)
    box = crystal.phased(0.9, 15.0, 1)
    best = determine(box, merged, crystal.experiment(wavelength=COPPER), unmerged=data)[0]
    assert best.hand == "centrosymmetric"
    assert best.flack is None
