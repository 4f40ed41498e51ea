"""The calibrated confidence and its scores."""

import numpy as np
import pytest

from phaselearn.benchmark.confidence import Confidence, area_under_curve, check, precision_at_recall
from tests.benchmark.record import record


def test_confidence_is_calibrated_where_figures_tell():
    generator = np.random.default_rng(0)

    def sample(count):
        agreement = generator.random(count)
        solved = generator.random(count) < agreement**2
        return [
            record(id=str(place), agreement=float(value), solved=bool(is_solved))
            for place, (value, is_solved) in enumerate(zip(agreement, solved, strict=True))
        ]

    calibration = check(sample(800), sample(800))
    assert calibration.expected_error < 0.08
    assert 0.75 < calibration.auc < 0.95
    assert calibration.precision > 0.5


def test_confidence_without_failures_is_the_rate():
    assert Confidence([record(id=str(place)) for place in range(18)])([record()]) == pytest.approx([0.95])


def test_where_there_is_no_map_there_is_no_confidence():
    nothing = {"failed": True, "solved": False, "r_factor": float("nan"), "skewness": float("nan")}
    sound = [record(id=str(place), solved=place % 2 == 0, agreement=float(place % 2 == 0)) for place in range(40)]
    for fitted in (sound, sound[::2], [record(**nothing)]):
        assert Confidence(fitted)([record(**nothing)]) == [0.0]
    # Failures say nothing of maps.
    assert Confidence([*sound, *[record(**nothing)] * 40])(sound) == pytest.approx(Confidence(sound)(sound))


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order():
    generator = np.random.default_rng(0)
    score = generator.integers(0, 10, 60) / 10
    positive = generator.random(60) < score
    above = score[positive][:, None] - score[~positive]
    assert area_under_curve(score, positive) == pytest.approx(((above > 0) + 0.5 * (above == 0)).mean())
    assert np.isnan(area_under_curve(score, np.ones(60, dtype=bool)))


def test_precision_is_that_of_just_enough_crystals_for_the_recall():
    positive = np.array([True, True, False, True, False, True, False, True])
    score = np.linspace(1, 0.3, 8)
    # Four of five positives are among the first six.
    assert precision_at_recall(score, positive, 0.8) == pytest.approx(4 / 6)
    assert precision_at_recall(score, positive, 0.6) == pytest.approx(3 / 4)
    assert np.isnan(precision_at_recall(score, np.zeros(8, dtype=bool), 0.8))
