"""Shells of resolution, by counting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from phaselearn.measured.cells import Cell, inverse_d_squared
from phaselearn.measured.merging import merge
from phaselearn.measured.shells import shells, useful_resolution
from tests.measured.samples import intensities, observed, point_group, reflections_within, selected

CELL: Cell = (8, 9, 10, 90, 90, 90)


def test_shells_hold_every_reflection_once_and_count_what_is_missing() -> None:
    hkl = reflections_within(CELL, 0.81)
    data = observed(hkl, intensities(hkl, CELL, "P 21 21 21"), CELL)
    spacing = inverse_d_squared(hkl, CELL) ** -0.5
    group = point_group("P 21 21 21")
    # Beyond 1 Å one octant of eight is there, of which half is missing.
    kept = (spacing > 1) | ((hkl >= 0).all(1) & (np.random.default_rng(0).random(len(hkl)) < 0.5))
    merged = merge(selected(data, kept), group)
    table = shells(merged)
    assert sum(shell.unique for shell in table) == len(merged)
    assert [shell.d_min for shell in table[:-1]] == [shell.d_max for shell in table[1:]]
    assert table[0].completeness == 1.0
    assert sum(shell.unique * shell.redundancy for shell in table) == pytest.approx(kept.sum())
    assert table[-1].completeness == pytest.approx(0.5, abs=0.1)
    assert table[-1].redundancy == 1.0
    possible = sum(shell.unique / shell.completeness for shell in table)
    assert possible == pytest.approx(len(merge(data, group)), rel=0.01)


def test_the_useful_resolution_is_where_noise_begins() -> None:
    hkl = reflections_within(CELL, 0.81)
    data = observed(hkl, intensities(hkl, CELL, "P 21 21 21"), CELL)
    spacing = inverse_d_squared(hkl, CELL) ** -0.5
    noise = np.random.default_rng(1).normal(size=len(hkl)) * data.sigma
    cut = replace(data, intensity=np.where(spacing < 1.0, noise, data.intensity))
    merged = merge(cut, point_group("P 21 21 21"))
    assert useful_resolution(merged) == pytest.approx(1.0, abs=0.05)
    assert useful_resolution(merge(data, point_group("P 21 21 21"))) == pytest.approx(0.81, abs=0.01)


def test_few_reflections_are_one_shell() -> None:
    hkl = reflections_within(CELL, 5.0)
    [shell] = shells(merge(observed(hkl, np.ones(len(hkl)), CELL), point_group("P -1")))
    assert shell.completeness == 1.0
