"""Intervals against their equations, and against how often they hold the truth."""

from __future__ import annotations

import math
from itertools import product
from math import comb

import numpy as np
import pytest

from phaselearn.benchmark.intervals import bootstrap_interval, difference_interval, share_interval

Z = 1.959963984540054  # 97.5 % point of the normal distribution


def test_bootstrap_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        low, high = bootstrap_interval(generator.exponential(size=100), "mean", 400, seed)
        covered += low <= 1 <= high
    assert 0.88 <= covered / 200 <= 0.99
    assert np.isnan(bootstrap_interval(np.zeros(0), "median", 10)).all()


@pytest.mark.parametrize(("hits", "count"), [(0, 30), (30, 30), (1, 2), (70, 100), (3, 2259)])
def test_the_share_is_as_many_standard_errors_from_either_end(hits: int, count: int) -> None:
    low, high = share_interval(hits, count)
    for end, trivial in ((low, 0.0), (high, 1.0)):
        if hits / count != trivial:
            assert abs(hits / count - end) == pytest.approx(Z * math.sqrt(end * (1 - end) / count))
        else:
            assert end == pytest.approx(trivial, abs=1e-9)
    assert high - low > 0.001
    assert np.isnan(share_interval(0, 0)).all()


@pytest.mark.parametrize(("alone", "other_alone"), [(0.0, 0.0), (0.02, 0.0), (0.1, 0.05), (0.3, 0.3)])
def test_the_interval_of_a_difference_holds_it_as_often_as_it_says(alone: float, other_alone: float) -> None:
    """Summed over all outcomes of 40 crystals, of which the two solve shares alone."""
    held, count = 0.0, 40
    for gained, lost in product(range(count + 1), repeat=2):
        same = count - gained - lost
        chance = 0.0 if same < 0 else comb(count, gained) * comb(count - gained, lost)
        chance *= alone**gained * other_alone**lost * (1 - alone - other_alone) ** max(same, 0)
        if chance > 1e-12:
            low, high = difference_interval(gained, lost, count)
            held += chance * (low <= alone - other_alone <= high)
    assert held > 0.93


def test_a_difference_that_never_shows_has_an_interval_that_shrinks_with_the_crystals() -> None:
    few, many = (difference_interval(0, 0, count) for count in (30, 3000))
    assert few[1] == pytest.approx(-few[0])
    assert few[1] > 0.05
    assert 0 < many[1] < 0.001
    assert difference_interval(50, 0, 50)[1] == 1.0
