"""Progress where there is no terminal: lines in place of a bar."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from phaselearn import progress


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Let the test set the seconds that have passed."""
    now = [100.0]
    monkeypatch.setattr("phaselearn.progress.time.monotonic", lambda: now[0])
    yield now
    progress.show_progress(True)


def test_a_line_tells_what_is_done_and_how_long_the_rest_takes(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.Progress("crystals", 40) as bar:
        clock[0] += 29
        bar.advance(9)
        assert capsys.readouterr().err == ""
        clock[0] += 61
        bar.advance()
        assert capsys.readouterr().err == "crystals: 10 of 40 in 1:30 min, about 4:30 min left\n"
        clock[0] += 10
        bar.advance()
    assert capsys.readouterr().err == ""


def test_work_of_an_earlier_process_does_not_count_for_the_rate(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.Progress("pairs", 40, done=20) as bar:
        clock[0] += 60
        bar.advance(10)
    assert capsys.readouterr().err == "pairs: 30 of 40 in 1:00 min, about 1:00 min left\n"


def test_without_a_total_there_is_no_prediction(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress.Progress("reading", None) as bar:
        clock[0] += 45
        bar.advance(7)
    assert capsys.readouterr().err == "reading: 7 in 0:45 min\n"


def test_no_line_where_progress_is_not_shown(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    progress.show_progress(False)
    with progress.Progress("crystals", 40) as bar:
        clock[0] += 100
        bar.advance()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(59.9, "0:59 min"), (3599, "59:59 min"), (3661, "1:01 h"), (90000, "25:00 h")]
)
def test_times_are_told_in_minutes_or_hours(seconds: float, text: str) -> None:
    assert progress.clock(seconds) == text
