"""Bootstrap intervals of means and medians over crystals."""

from __future__ import annotations

import numpy as np

LEVEL = 0.95
_VALUES_AT_ONCE = 1 << 22


def bootstrap_interval(values: np.ndarray, statistic: str, resamples: int, seed: int = 0) -> tuple[float, float]:
    """Return the percentile bootstrap interval (Efron 1979) of a statistic at 95 %.

    Args:
        values: (n,) one value a crystal.
        statistic: `mean` or `median`.
        resamples: samples drawn with replacement.
        seed: of the draws.

    Returns:
        Lower and upper end; NaN where there are no values.
    """
    values = np.asarray(values, dtype=float)
    if not len(values):
        return float("nan"), float("nan")
    function = {"mean": np.mean, "median": np.median}[statistic]
    generator = np.random.default_rng(seed)
    at_once = max(1, _VALUES_AT_ONCE // len(values))
    results = [
        function(
            values[generator.integers(len(values), size=(min(at_once, resamples - start), len(values)))],
            axis=1,
        )
        for start in range(0, resamples, at_once)
    ]
    low, high = np.quantile(np.concatenate(results), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
