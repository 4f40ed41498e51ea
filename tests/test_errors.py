"""A word that is not an option is told in one line, with what is allowed and what helps."""

from __future__ import annotations

import pytest

from phaselearn.errors import UserError, choose, closest

CACHES = ("none", "ram", "disk")
REFUSED = "data.cache={} is unknown: allowed are none, ram, disk; "


def test_an_option_is_returned() -> None:
    assert [choose("data.cache", name, CACHES) for name in CACHES] == list(CACHES)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("rom", "did you mean ram? For example data.cache=ram"),
        ("tape", "for example data.cache=none"),
        ("DISK", "did you mean disk? For example data.cache=disk"),
    ],
)
def test_any_other_word_is_refused_in_one_line(given: str, told: str) -> None:
    with pytest.raises(UserError) as refused:
        choose("data.cache", given, CACHES)
    assert str(refused.value) == REFUSED.format(given) + told


def test_the_error_shows_a_command_and_an_entry_of_a_list_as_one() -> None:
    with pytest.raises(UserError, match=r"^regimes=\[d1.4\] is unknown: .* `phaselearn benchmark regimes=\[d1.5\]`$"):
        choose("regimes", "d1.4", iter(["full20", "d1.5"]), command="phaselearn benchmark", listed=True)


@pytest.mark.parametrize("given", [None, 3, ["ram"], ""])
def test_what_is_no_word_is_like_none(given: object) -> None:
    assert closest(given, ["ab", "cd"]) is None
    with pytest.raises(UserError, match="is unknown: allowed are none, ram, disk"):
        choose("data.cache", given, CACHES)
