"""Curves of searches: shares solved against seconds, by hand and from a search whose stages are known."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from phaselearn.benchmark.crystals import crystals_of_source
from phaselearn.benchmark.curves import (
    CURVES_FILE,
    SHARES,
    TIMES_FILE,
    curves_of,
    seconds_to,
    with_starts,
    write_curves,
)
from phaselearn.benchmark.records import Attempt
from phaselearn.benchmark.regimes import InputPreparation, Regime
from phaselearn.benchmark.runner import Contender, RunSettings, Timed, run_contender
from phaselearn.crystal.judgement import true_map_factors
from phaselearn.data.batch import Batch
from phaselearn.data.preparation.observation import Observation
from phaselearn.data.sources.prototypes import Prototypes
from phaselearn.metrics.phasing import observed_of
from phaselearn.phasing.solution import Solution, Stage
from phaselearn.testing.batches import DEFINITION
from tests.benchmark.record import record

IDEAL = Regime("ideal", DEFINITION, Observation())
SEARCHED = [
    record(id="1", attempts=(Attempt(1, 0.1, True),)),  # done after one start
    record(id="2", attempts=(Attempt(1, 0.1, False), Attempt(2, 0.3, True))),
    record(id="3", attempts=(Attempt(1, 0.2, False), Attempt(2, 0.4, False), Attempt(6, 1.2, True)), hard=False),
    record(id="4", attempts=(Attempt(1, 0.2, False), Attempt(2, 0.4, False), Attempt(6, 1.2, False))),
    record(id="5", attempts=(Attempt(1, 9.0, True),), counted=False),
]


def test_points_are_means_over_all_crystals_those_that_are_done_or_unsolved_included() -> None:
    curve, hard = curves_of(SEARCHED, resamples=100)
    assert (curve.subset, hard.subset) == ("all", "hard")
    assert (curve.n, curve.starts) == (4, (1, 2, 6))
    assert curve.seconds == pytest.approx((0.15, 0.3, 0.7))
    assert curve.solved == pytest.approx((0.25, 0.5, 0.75))
    assert hard.seconds[-1] == pytest.approx((0.1 + 0.3 + 1.2) / 3)
    # 70 % lie four fifths of the way from the second point to the third.
    assert dict(zip(SHARES, curve.to_share, strict=True)) == pytest.approx(
        {0.5: 0.3, 0.7: 0.3 + 0.8 * 0.4, 0.8: math.inf, 0.9: math.inf}
    )


def test_the_time_to_a_share_is_that_of_its_first_crossing() -> None:
    seconds, solved = np.array([0.1, 0.2, 0.4, 0.8]), np.array([0.4, 0.8, 0.7, 0.9])
    assert seconds_to(0.3, seconds, solved) == pytest.approx(0.1)  # before its first result a method has none
    assert seconds_to(0.6, seconds, solved) == pytest.approx(0.15)
    assert seconds_to(0.75, seconds, solved) == pytest.approx(0.1875)
    assert seconds_to(0.95, seconds, solved) == math.inf


def test_intervals_cover_the_time_to_a_share_as_often_as_they_say() -> None:
    random = np.random.default_rng(1)
    # With one start of 1 s each, and a second of 1 s for the unsolved, shares of 0.4 and 0.8 are solved.
    true = 1 + (0.7 - 0.4) / (0.8 - 0.4) * 0.6
    covered = 0
    for _ in range(100):
        once, twice = random.random(200) < 0.4, random.random(200) < 2 / 3
        records = [
            record(attempts=(Attempt(1, 1.0, True),) if a else (Attempt(1, 1.0, False), Attempt(2, 2.0, bool(b))))
            for a, b in zip(once, twice, strict=True)
        ]
        low, high = curves_of(records, resamples=200)[0].to_share_intervals[SHARES.index(0.7)]
        covered += low <= true <= high
    assert 88 <= covered <= 100


def test_files_hold_every_point_and_every_share(tmp_path: Path) -> None:
    curves = curves_of([*SEARCHED, record(method="alone", attempts=(Attempt(1, 0.1, True),))], 50)
    write_curves(tmp_path, with_starts(curves))
    points, times = (list(csv.DictReader((tmp_path / name).open())) for name in (CURVES_FILE, TIMES_FILE))
    assert list(points[0])[:6] == ["regime", "subset", "method", "starts", "seconds", "solved"]
    assert [(row["method"], row["subset"], row["starts"]) for row in points] == [
        *(("m", subset, starts) for subset in ("all", "hard") for starts in ("1", "2", "6")),
        ("alone", "all", "1"),
    ]
    assert len(times) == 3 * len(SHARES)
    assert with_starts(curves_of([record(attempts=(Attempt(1, 0.1, True),))], 50)) == []


class Searching:
    """A contender whose first stage is right for the first crystal, and whose second is right for the second."""

    name, identity, training, preparation = "searching", "searching", None, InputPreparation()

    def fits(self, regime: Regime) -> bool:
        return True

    def run(self, batch: Batch, regime: Regime) -> list[Timed]:
        observed = observed_of(batch, regime.definition)
        true = true_map_factors(observed, batch["numbers"], batch["positions"], "atomic_number")
        wrong = true.abs().to(true.dtype)
        first, second = wrong.clone(), wrong.clone()
        first[0], second[:2] = true[0], true[:2]
        later = torch.arange(len(true)) > 0
        return [
            Timed(Stage(1, Solution(first), torch.ones_like(later)), torch.ones(len(true))),
            Timed(Stage(2, Solution(second), later), 1 + 2 * later.float()),
        ]


def test_each_attempt_is_judged_with_the_phases_of_its_time(tmp_path: Path) -> None:
    everything = crystals_of_source(Prototypes(count=24, seed=0, cell="primitive"), 30.0)
    floors = run_contender(Searching(), IDEAL, everything, frozenset(), RunSettings(tmp_path / "floors", 24, 0))
    hard = {each.id for each in floors if each.counted and each.hard}
    crystals = [crystal for crystal in everything if crystal.id in hard][:3]
    contender: Contender = Searching()
    records = run_contender(contender, IDEAL, crystals, frozenset(), RunSettings(tmp_path, 8, 0))
    assert [each.attempts for each in records] == [
        (Attempt(1, 1.0, True),),
        (Attempt(1, 1.0, False), Attempt(2, 3.0, True)),
        (Attempt(1, 1.0, False), Attempt(2, 3.0, False)),
    ]
    assert [each.seconds for each in records] == [1.0, 3.0, 3.0]
    again = run_contender(contender, IDEAL, crystals, frozenset(), RunSettings(tmp_path, 8, 0))
    assert [each.attempts for each in again] == [each.attempts for each in records]  # read from their file
