"""Cells and resolutions that would need much memory are refused or cut, in a line or with a note."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from phaselearn import solve
from phaselearn.crystal.observed import box_for
from phaselearn.determination.bounds import within_bounds
from phaselearn.errors import UserError
from phaselearn.measured.cells import inverse_d_squared
from phaselearn.measured.reflection_data import ReflectionData
from tests.determination.samples import example, within


def with_cell(*edges: float) -> ReflectionData:
    data = example()
    return replace(data, experiment=replace(data.experiment, cell=(*edges, 90.0, 112.74, 90.0)))


def test_what_fits_is_left_as_it_is() -> None:
    data = example()
    assert within_bounds(data) == (data, ())


def test_the_cell_of_a_protein_is_refused() -> None:
    with pytest.raises(UserError, match="Å³, and at most 200,000 are taken"):
        solve(with_cell(97.0, 88.0, 75.0))


def test_reflections_that_belong_to_another_cell_are_left_out_with_a_note() -> None:
    left, notes = within_bounds(with_cell(0.97, 0.88, 0.75))
    assert 0 < len(left) < len(example())
    assert notes == (f"{len(example()) - len(left):,} reflections beyond 0.25 Å were left out",)


def test_the_box_of_a_large_cell_stays_small() -> None:
    data = example()
    random = np.random.default_rng(0)
    hkl = random.integers(-400, 401, (200_000, 3)).astype(np.int32)
    many = replace(
        data,
        hkl=hkl,
        intensity=np.ones(len(hkl)),
        sigma=np.ones(len(hkl)),
        experiment=replace(data.experiment, cell=(58.0, 58.0, 58.0, 90.0, 90.0, 90.0)),
    )
    left, notes = within_bounds(many)
    assert notes
    assert np.prod(box_for(np.abs(left.hkl).max(0).tolist())) < 1.1 * 2**22
    assert inverse_d_squared(left.hkl, left.experiment.cell).max() > 1.2


def test_intensities_that_say_nothing_are_not_called_solved() -> None:
    data = within(example(), 1.4)
    result = solve(replace(data, intensity=np.ones(len(data))), seconds=1)
    assert not result.solved
    assert result.confidence < 0.5


def test_intensities_that_are_all_zero_are_refused() -> None:
    data = example()
    with pytest.raises(UserError, match="no intensity of 1,045 reflections is above 0"):
        solve(replace(data, intensity=np.zeros(len(data))))
