"""Curves of searches: the share of crystals that are solved, against the seconds that a crystal takes.

A method with several starts has a point for each number of starts after which it looked at its results. The search
stops by its own rules, never by the truth, and crystals that stay unsolved take part in the mean. So a point is the
answer to: how many crystals are solved if each gets at most so many starts, and how long does a crystal take?
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phaselearn.benchmark.intervals import LEVEL, share_interval
from phaselearn.benchmark.records import CrystalRecord
from phaselearn.files import write_csv

CURVES_FILE = "curves.csv"
TIMES_FILE = "time_to_solution.csv"
SHARES = (0.5, 0.7, 0.8, 0.9)
SUBSETS: dict[str, Callable[[CrystalRecord], bool]] = {
    "all": lambda record: True,
    "hard": lambda record: record.hard,
    "unseen_prototype": lambda record: not record.prototype_seen,
}

Array = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """The curve of a method on a subset of the crystals of a regime.

    Attributes:
        regime, subset, method: names of the regime, the subset and the method.
        n: number of crystals.
        starts: numbers of starts, one for each point.
        seconds, solved: mean seconds of a crystal, and the share that is solved, at each point.
        seconds_intervals, solved_intervals: their intervals at 95 %, of seconds by the bootstrap.
        to_share: seconds to each of `SHARES`; infinite if the share is not reached.
        to_share_intervals: their bootstrap intervals at 95 %.
    """

    regime: str
    subset: str
    method: str
    n: int
    starts: tuple[int, ...]
    seconds: tuple[float, ...]
    solved: tuple[float, ...]
    seconds_intervals: tuple[Interval, ...]
    solved_intervals: tuple[Interval, ...]
    to_share: tuple[float, ...]
    to_share_intervals: tuple[Interval, ...]


def curves_of(records: Sequence[CrystalRecord], resamples: int) -> list[Curve]:
    """Return the curves of all methods, in all regimes and on all subsets that have crystals.

    Args:
        records: records of methods and outside programs; those that are not counted are left out.
        resamples: number of bootstrap samples, each of whole crystals.
    """
    groups: dict[tuple[str, str], list[CrystalRecord]] = {}
    for record in records:
        if record.counted:
            groups.setdefault((record.regime, record.method), []).append(record)
    curves = []
    for (regime, method), members in groups.items():
        for subset, belongs in SUBSETS.items():
            chosen = [record for record in members if belongs(record)]
            if chosen and (subset == "all" or len(chosen) < len(members)):
                curves.append(_curve(regime, subset, method, chosen, resamples))
    return curves


def _curve(regime: str, subset: str, method: str, records: Sequence[CrystalRecord], resamples: int) -> Curve:
    starts, seconds, solved = points(records)
    drawn = np.random.default_rng(0).multinomial(len(records), np.full(len(records), 1 / len(records)), resamples)
    drawn_seconds, drawn_solved = drawn @ seconds / len(records), drawn @ solved / len(records)
    to_share = [
        [seconds_to(share, *point) for point in zip(drawn_seconds, drawn_solved, strict=True)] for share in SHARES
    ]
    mean_seconds, mean_solved = seconds.mean(0), solved.mean(0)
    return Curve(
        regime=regime,
        subset=subset,
        method=method,
        n=len(records),
        starts=starts,
        seconds=tuple(mean_seconds.tolist()),
        solved=tuple(mean_solved.tolist()),
        seconds_intervals=tuple(_interval(column) for column in drawn_seconds.T),
        solved_intervals=tuple(share_interval(int(column.sum()), len(records)) for column in solved.T),
        to_share=tuple(seconds_to(share, mean_seconds, mean_solved) for share in SHARES),
        to_share_intervals=tuple(_interval(np.array(values)) for values in to_share),
    )


def points(records: Sequence[CrystalRecord]) -> tuple[tuple[int, ...], Array, Array]:
    """Return the numbers of starts (p,), and seconds and solved (n, p) of each crystal; those done earlier stay."""
    starts = sorted({attempt.starts for record in records for attempt in record.attempts})
    seconds, solved = np.zeros((len(records), len(starts))), np.zeros((len(records), len(starts)))
    for row, record in enumerate(records):
        for attempt in record.attempts:
            place = starts.index(attempt.starts)
            seconds[row, place:], solved[row, place:] = attempt.seconds, attempt.solved
    return tuple(starts), seconds, solved


def seconds_to(share: float, seconds: Array, solved: Array) -> float:
    """Return the seconds at which a curve first reaches a share, linear between its points; infinite if it does not.

    Before its first point a method has no result, so no share is reached sooner than that.

    Args:
        share: share of the crystals.
        seconds, solved: (p,) the points.
    """
    reached = (solved >= share).nonzero()[0]
    if not len(reached):
        return float("inf")
    place = int(reached[0])
    if place == 0:
        return float(seconds[0])
    part = (share - solved[place - 1]) / (solved[place] - solved[place - 1])
    return float(seconds[place - 1] + part * (seconds[place] - seconds[place - 1]))


def _interval(values: Array) -> Interval:
    """Return the percentile interval of values, some of which may be infinite."""
    ends = (100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2)
    low, high = np.percentile(values, ends, method="nearest")
    return float(low), float(high)


def with_starts(curves: Sequence[Curve]) -> list[Curve]:
    """Return the curves of the regimes in which some method has several starts; without one there is no curve."""
    regimes = {curve.regime for curve in curves if len(curve.starts) > 1}
    return [curve for curve in curves if curve.regime in regimes]


def write_curves(folder: Path, curves: Sequence[Curve]) -> None:
    """Write curves.csv and time_to_solution.csv."""
    points = [
        {
            "regime": curve.regime,
            "subset": curve.subset,
            "method": curve.method,
            "starts": curve.starts[place],
            "seconds": curve.seconds[place],
            "solved": curve.solved[place],
            "n": curve.n,
            "seconds_low": curve.seconds_intervals[place][0],
            "seconds_high": curve.seconds_intervals[place][1],
            "solved_low": curve.solved_intervals[place][0],
            "solved_high": curve.solved_intervals[place][1],
        }
        for curve in curves
        for place in range(len(curve.starts))
    ]
    write_csv(folder / CURVES_FILE, points, POINT_COLUMNS)
    times = [
        {
            "regime": curve.regime,
            "subset": curve.subset,
            "method": curve.method,
            "share": share,
            "seconds": seconds,
            "seconds_low": low,
            "seconds_high": high,
            "n": curve.n,
        }
        for curve in curves
        for share, seconds, (low, high) in zip(SHARES, curve.to_share, curve.to_share_intervals, strict=True)
    ]
    write_csv(folder / TIMES_FILE, times, TIME_COLUMNS)


POINT_COLUMNS = (
    *("regime", "subset", "method", "starts", "seconds", "solved", "n"),
    *("seconds_low", "seconds_high", "solved_low", "solved_high"),
)
TIME_COLUMNS = ("regime", "subset", "method", "share", "seconds", "seconds_low", "seconds_high", "n")

HEADINGS = (
    *("regime, crystals", "method", "n", "starts at most", "solved %", "s per crystal"),
    *(f"s to {100 * share:.0f} %" for share in SHARES),
)


def table_cells(curve: Curve) -> tuple[str, ...]:
    """Return a row of a table under `HEADINGS`, with intervals in brackets; a dash where a share is not reached."""
    times = [
        f"{_seconds(seconds)} [{_seconds(low)}, {_seconds(high)}]" if np.isfinite(seconds) else "—"
        for seconds, (low, high) in zip(curve.to_share, curve.to_share_intervals, strict=True)
    ]
    low, high = curve.solved_intervals[-1]
    return (
        f"{curve.regime}, {curve.subset}",
        curve.method,
        str(curve.n),
        str(curve.starts[-1]),
        f"{100 * curve.solved[-1]:.1f} [{100 * low:.1f}, {100 * high:.1f}]",
        _seconds(curve.seconds[-1]),
        *times,
    )


def _seconds(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "—"
