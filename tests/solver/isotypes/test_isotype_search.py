"""Known crystals with a like cell and like |F|."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from phaselearn.solver.isotypes.collection import collected
from phaselearn.solver.isotypes.isotype_search import Isotype, IsotypeSearch
from tests.solver.isotypes.crystals import AXES, crystals, isotypic, known, reflections

SEARCH = IsotypeSearch(known(), 0.1, 0.0)


def alike(first: np.ndarray, second: np.ndarray, hkl: np.ndarray) -> float:
    """Return the highest map correlation over origins on a fine grid, and both hands."""
    best = -1.0
    for other in (second, second.conj()):
        box = np.zeros((48, 48, 48), complex)
        box[tuple((hkl % 48).T)] = first * other.conj()
        surface = np.fft.ifftn(box, norm="forward").real
        best = max(best, float(surface.max() / np.linalg.norm(first) / np.linalg.norm(other)))
    return best


def factors_of(isotype: Isotype, hkl: np.ndarray) -> np.ndarray:
    """Return the structure factors of the atoms of a known crystal in the axes of the crystal."""
    numbers, positions = SEARCH.atoms(isotype)
    return np.exp(2j * np.pi * hkl @ positions.T) @ numbers


@pytest.mark.parametrize("row", range(0, 20, 3))
def test_an_isotypic_crystal_gets_the_phases_of_its_type(row: int) -> None:
    crystal = isotypic(crystals()[row], seed=row)
    hkl, factors = reflections(crystal)
    first, *others = SEARCH.find(hkl, np.abs(factors), crystal.lattice, 5)
    assert first.row == row
    assert first.correlation > 0.9
    assert [isotype.correlation for isotype in others] == sorted((each.correlation for each in others), reverse=True)
    phases = factors_of(first, hkl)
    amplitude = np.abs(factors)
    assert alike(factors, amplitude * np.exp(1j * np.angle(phases)), hkl) > 0.95


def test_the_correlation_is_that_of_the_structure_factors_of_both() -> None:
    crystal = isotypic(crystals()[4])
    hkl, factors = reflections(crystal, d_min=1.8)
    for isotype in SEARCH.find(hkl, np.abs(factors), crystal.lattice, 3):
        own = hkl @ isotype.basis.T
        compared = (np.abs(np.rint(own)) <= 5).all(1)
        theirs = np.abs(factors_of(isotype, hkl))
        expected = np.corrcoef(np.abs(factors)[compared], theirs[compared])[0, 1]
        assert isotype.correlation == pytest.approx(expected, abs=1e-4)


def test_neither_scale_nor_order_nor_axes_change_what_is_found() -> None:
    crystal = isotypic(crystals()[7])
    hkl, factors = reflections(crystal)
    found = SEARCH.find(hkl, np.abs(factors), crystal.lattice, 4)
    order = np.random.default_rng(0).permutation(len(hkl))
    again = SEARCH.find(hkl[order], 17 * np.abs(factors)[order], crystal.lattice, 4)
    turned = SEARCH.find(hkl @ AXES.T, np.abs(factors), AXES @ crystal.lattice, 4)
    for others in (again, turned):
        assert [each.row for each in others] == [each.row for each in found]
        assert [each.correlation for each in others] == pytest.approx([each.correlation for each in found], abs=1e-4)


def test_a_type_is_found_once_though_many_crystals_have_it() -> None:
    one = crystals(1)[0]
    many = [replace(isotypic(one, seed), id=f"{seed}") for seed in range(5)]
    search = IsotypeSearch(collected(many, ""), 0.2, 0.5)
    hkl, factors = reflections(one)
    assert len(search.find(hkl, np.abs(factors), one.lattice, 10)) == 1


def test_a_crystal_that_is_like_none_has_no_isotype() -> None:
    hkl, factors = reflections(crystals()[0])
    assert SEARCH.find(hkl, np.abs(factors), np.diag([2.0, 3.0, 40.0]), 3) == []
    assert SEARCH.find(hkl[:2], np.abs(factors)[:2], crystals()[0].lattice, 3) == []
    assert SEARCH.find(hkl[:0], np.abs(factors)[:0], crystals()[0].lattice, 3) == []
    assert SEARCH.find(hkl, np.ones(len(hkl)), crystals()[0].lattice, 3) == []


def test_a_centred_cell_is_compared_as_a_primitive_one() -> None:
    """The atoms are then those of two lattice points."""
    crystal = crystals()[2]
    double = np.array([[2, 0, 0], [0, 1, 0], [1, 0, 1]])  # a cell of twice the volume
    hkl, factors = reflections(crystal)
    listed = hkl @ double.T
    absent = listed + np.array([1, 0, 0])
    amplitude = np.concatenate((np.abs(factors), np.zeros(len(absent))))
    first, *_ = SEARCH.find(np.concatenate((listed, absent)), amplitude, double @ crystal.lattice, 2)
    assert isinstance(first, Isotype)
    assert first.row == 2
    assert first.correlation > 0.999
    assert np.abs(factors_of(first, listed)) == pytest.approx(2 * np.abs(factors), rel=1e-3, abs=1e-2)
    assert np.abs(factors_of(first, absent)).max() < 1e-9
