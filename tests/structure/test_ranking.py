"""The group that stands is chosen by fit, operations and the Laue class of the intensities."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from phaselearn.structure.ranking import ranked


def structure(order: int, figure: float, laue_share: float = 1.0) -> Any:
    """A structure, as far as the ranking looks at it."""
    hypothesis = SimpleNamespace(group=SimpleNamespace(order=order), evidence=SimpleNamespace(laue_share=laue_share))
    return SimpleNamespace(figure=figure, hypothesis=hypothesis)


@pytest.mark.parametrize(
    ("lower", "higher", "wins"),
    [
        pytest.param(structure(4, 0.030), structure(8, 0.040), "higher", id="about as good"),
        pytest.param(structure(4, 0.030), structure(8, 0.050), "lower", id="worse by two thirds"),
        pytest.param(structure(4, 0.080), structure(8, 0.115), "lower", id="worse by 1.44, of one Laue class"),
        pytest.param(structure(4, 0.080, 0.5), structure(8, 0.115), "higher", id="worse by 1.44, in the Laue class"),
        pytest.param(structure(4, 0.080, 0.5), structure(8, 0.140), "lower", id="worse by 1.75, in the Laue class"),
        pytest.param(structure(4, 0.080, 0.5), structure(8, 0.115, 0.5), "lower", id="both below the Laue class"),
    ],
)
def test_more_operations_stand_where_they_explain_the_data_about_as_well(lower: Any, higher: Any, wins: str) -> None:
    first = {"lower": lower, "higher": higher}[wins]
    for given in ([lower, higher], [higher, lower]):
        assert ranked(given)[0] is first
        assert sorted(map(id, ranked(given))) == sorted(map(id, given))


def test_of_groups_with_as_many_operations_the_better_fit_comes_first() -> None:
    given = [structure(4, figure) for figure in (0.09, 0.03, 0.031)]
    assert [each.figure for each in ranked(given)] == [0.03, 0.031, 0.09]
    assert ranked([]) == []
