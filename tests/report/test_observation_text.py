"""A page says in words how the crystals were measured."""

from __future__ import annotations

import pytest

from phaselearn.data.preparation.counting import Counting
from phaselearn.data.preparation.mixture import MixedObservation
from phaselearn.data.preparation.observation import Observation
from phaselearn.report.observation_text import observation_text


@pytest.mark.parametrize(
    ("observation", "text"),
    [
        (Observation(), "ideal"),
        (Observation(d_min=1.5, noise=[0.0, 0.1]), "d_min 1.5, noise 0.0 to 0.1"),
        (Observation(counting=Counting(counts=50.0)), "counting (counts 50.0)"),
        (MixedObservation({"lab": Observation(), "ed": Observation(d_min=1.0)}), "one of lab, ed"),
        (object(), "object"),
    ],
)
def test_what_differs_from_ideal_data_is_named(observation: object, text: str) -> None:
    assert observation_text(observation) == text
