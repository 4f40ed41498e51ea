"""Bootstrap intervals of means and medians over crystals."""

from __future__ import annotations

import numpy as np
from scipy.stats import bootstrap

LEVEL = 0.95
_STATISTICS = {"mean": np.mean, "median": np.median}
_VALUES_AT_ONCE = 1 << 22


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
