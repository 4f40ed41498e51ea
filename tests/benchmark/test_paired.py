"""Starts compared crystal by crystal: counted by hand, and the sign test against its binomial sum."""

from __future__ import annotations

from dataclasses import replace
from math import comb

import pytest

from phaselearn.benchmark.paired import HEADINGS, paired, table_cells
from phaselearn.benchmark.records import Attempt, CrystalRecord
from tests.benchmark.record import record


def searched(method: str, outcomes: str, **changes) -> list[CrystalRecord]:
    """Return a record for each letter: solved by one start (1), by two (2), or by neither (-)."""
    attempts = {
        "1": (Attempt(1, 0.1, True),),
        "2": (Attempt(1, 0.1, False), Attempt(2, 0.3, True)),
        "-": (Attempt(1, 0.1, False), Attempt(2, 0.5, False)),
    }
    return [
        record(method=method, id=str(place), attempts=attempts[letter], **changes)
        for place, letter in enumerate(outcomes)
    ]


def test_crystals_that_one_alone_solves_are_counted_after_each_number_of_starts() -> None:
    zero = [record(method="phase_zero", id=str(place), attempts=(Attempt(1, 0.0, False),)) for place in range(6)]
    one, two = paired([*zero, *searched("a", "11--22"), *searched("b", "1-1122")])
    assert {(row.method, row.reference, row.subset, row.n) for row in (one, two)} == {("b", "a", "all", 6)}
    assert (one.starts, one.alone, one.reference_alone) == (1, 2, 1)
    assert (two.starts, two.alone, two.reference_alone) == (2, 2, 1)
    assert (one.solved, one.reference_solved) == pytest.approx((3 / 6, 2 / 6))
    assert two.difference == pytest.approx(1 / 6)
    assert two.difference_low <= two.difference <= two.difference_high
    assert (two.seconds, two.reference_seconds) == pytest.approx(((3 * 0.1 + 2 * 0.3 + 0.5) / 6, 1.8 / 6))


@pytest.mark.parametrize(("alone", "other"), [(27, 6), (1, 1), (8, 0), (3, 9)])
def test_p_is_the_two_sided_binomial_sum(alone: int, other: int) -> None:
    letters = "1" * alone + "-" * other, "-" * alone + "1" * other
    rows = paired([*searched("a", letters[1] + "2"), *searched("b", letters[0] + "2")])
    total = alone + other
    tail = sum(comb(total, count) for count in range(min(alone, other) + 1)) / 2**total
    assert rows[0].p == pytest.approx(min(1.0, 2 * tail))


def test_methods_that_never_differ_have_p_1_and_no_difference() -> None:
    first, *_ = paired([*searched("a", "12-"), *searched("b", "12-")])
    assert (first.alone, first.reference_alone, first.difference, first.p) == (0, 0, 0.0, 1.0)


def test_crystals_that_only_one_has_take_no_part_nor_do_other_regimes() -> None:
    records = [*searched("a", "12-1"), *searched("b", "1-"), *searched("b", "12", regime="other")]
    assert {(row.regime, row.n) for row in paired(records)} == {("r", 2)}
    assert paired(searched("a", "12-")) == []
    assert paired([]) == []


def test_a_row_of_the_table_has_the_interval_of_the_difference() -> None:
    *_, row = paired([*searched("a", "1-----"), *searched("b", "111---")])
    cells = dict(zip(HEADINGS, table_cells(row), strict=True))
    assert cells["difference in points"].startswith("+33.3 [")
    assert cells["p"] == "0.5"


def test_a_crystal_is_of_an_unseen_type_where_neither_of_the_two_has_seen_it() -> None:
    seen = [searched("a", "1-1-"), searched("b", "11--")]
    for records, unseen in zip(seen, ("0011", "0110"), strict=True):
        for place, letter in enumerate(unseen):
            records[place] = replace(records[place], prototype_seen=letter == "0")
    [row] = [row for row in paired([*seen[0], *seen[1]]) if row.subset == "unseen_prototype" and row.starts == 1]
    assert (row.n, row.solved, row.reference_solved) == (1, 0, 1)
