"""Intervals at 95 %: of shares of crystals, of differences of such shares, and of means and medians over crystals."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest, bootstrap, norm

LEVEL = 0.95
_STATISTICS = {"mean": np.mean, "median": np.median}
_VALUES_AT_ONCE = 1 << 22


def share_interval(hits: int, count: int) -> tuple[float, float]:
    """Return the interval of a share (Wilson, JASA 22, 209, 1927), which has a width where all or none are solved.

    Args:
        hits: number of crystals that count.
        count: number of all crystals.

    Returns:
        Lower and upper end: NaN for no crystals.
    """
    if not count:
        return float("nan"), float("nan")
    interval = binomtest(hits, count).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def difference_interval(alone: int, other_alone: int, count: int) -> tuple[float, float]:
    """Return the interval of the difference of two shares of the same crystals.

    Half a crystal is added to each cell of the table of both outcomes (Agresti & Min, Statist. Med. 24, 729, 2005), so
    that it has a width where the outcomes never differ.

    Args:
        alone: number of crystals that the first alone solves.
        other_alone: number of crystals that the second alone solves.
        count: number of all crystals, at least 1.
    """
    total = count + 2
    differing, difference = alone + other_alone + 1, alone - other_alone
    half = norm.ppf((1 + LEVEL) / 2) * np.sqrt(differing - difference**2 / total) / total
    return max(-1.0, float(difference / total - half)), min(1.0, float(difference / total + half))


def bootstrap_interval(values: np.ndarray, statistic: str, resamples: int, seed: int = 0) -> tuple[float, float]:
    """Return the percentile bootstrap interval (Efron 1979) of a statistic at 95 %.

    Args:
        values: values (n,), one for each crystal.
        statistic: `mean` or `median`.
        resamples: number of samples drawn with replacement.
        seed: seed of the draws.

    Returns:
        Lower and upper end: NaN for no values, and the value itself for a single one.
    """
    values = np.asarray(values, dtype=float)
    if not len(values):
        return float("nan"), float("nan")
    if len(values) == 1:  # scipy refuses it
        return float(values[0]), float(values[0])
    interval = bootstrap(
        (values,),
        _STATISTICS[statistic],
        n_resamples=resamples,
        batch=max(1, _VALUES_AT_ONCE // len(values)),
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)
